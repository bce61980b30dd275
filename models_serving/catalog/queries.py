"""Reads of the catalogue."""

from collections.abc import Iterable, Sequence
from datetime import datetime, timedelta

from django.db.models import Count, Exists, OuterRef, Q, QuerySet

from models_serving.catalog.models import OpenRequest, ServedEndpoint, ServedModel
from models_serving.catalog.pace import BEGINS_WITH, carried, paces_of
from models_serving.client import honoured
from models_serving.client.choosing import OPENS_AFTER
from models_serving.contracts import Endpoint

# what was said longer ago says nothing about now
RECENT = timedelta(seconds=60)


def endpoint_for(served_model: ServedModel) -> Endpoint:
    """The model's own address; the name to ask it by is `served_model.asked_as`."""
    supported = served_model.supported_parameters
    return Endpoint(
        backend=served_model.backend,
        url=served_model.url,
        api_key_env=served_model.api_key_env,
        options=served_model.options,
        supported=None if supported is None else frozenset(supported),
    )


def endpoint_of(row: ServedEndpoint) -> Endpoint:
    """Where to ask, with what the row leaves to its model. What an operator declared to be honoured stands above what
    was found by trying, and that above what is known of the dialect."""
    model = row.served_model
    found = row.capabilities.get("honours") if model.supported_parameters is None else model.supported_parameters
    return Endpoint(
        backend=row.backend or model.backend,
        url=row.url or model.url,
        api_key_env=row.api_key_env or model.api_key_env,
        options=model.options if row.options is None else row.options,
        supported=None if found is None else frozenset(found),
        dialect=row.dialect or row.capabilities.get("dialect", ""),
    )


def enabled_models() -> QuerySet[ServedModel]:
    """The models that studies may use."""
    return ServedModel.objects.filter(enabled=True)


def taking_work() -> QuerySet[ServedModel]:
    """The enabled models that can be asked: not all of their endpoints drain or are switched off."""
    return enabled_models().filter(is_open())


def is_open() -> Q:
    """Of a model: not all of its endpoints drain or are switched off."""
    rows = ServedEndpoint.objects.filter(served_model=OuterRef("pk"))
    # one that was never asked has no row yet
    return Exists(rows.filter(state=ServedEndpoint.State.ON)) | ~Exists(rows)


def answering(now: datetime) -> QuerySet[ServedModel]:
    """Those of `taking_work` that answer, by what was seen lately: an endpoint said within the last minute that it
    serves (our own server says so only of models that can generate), and real requests did not just come to nothing at
    all endpoints. One that only asked for a rest answers."""
    rows = ServedEndpoint.objects.filter(served_model=OuterRef("pk"), state=ServedEndpoint.State.ON)
    failing = Q(failures__gte=OPENS_AFTER, rests_until__gt=now)
    awake = Exists(rows.exclude(failing)) | ~Exists(rows)
    well = taking_work().filter(health=ServedModel.Health.HEALTHY, health_checked_at__gt=now - RECENT)
    return well.filter(awake)


def honoured_by(served_model: ServedModel) -> frozenset[str]:
    """The sampling parameters that every endpoint of the model honours that takes work."""
    sets = [honoured(endpoint_of(row)) for row in endpoints_on(served_model)]
    return frozenset.intersection(*(sets or [honoured(endpoint_for(served_model))]))


def context_of(served_model: ServedModel) -> int | None:
    """How many tokens prompt and answer may have together, at the endpoint that takes work and has the least room;
    `None` where none of them says so."""
    found = [row.capabilities["context"] for row in endpoints_on(served_model) if row.capabilities.get("context")]
    return min(found, default=None)


def endpoints_on(served_model: ServedModel) -> list[ServedEndpoint]:
    """Its endpoints that take work."""
    rows = list(served_model.endpoints.filter(state=ServedEndpoint.State.ON))
    for row in rows:
        # the model as the caller knows it, without a query each
        row.served_model = served_model
    return rows


def carried_by(served_model_id: int, first_token: float, now: datetime) -> int:
    """How many requests at the same time the model's endpoints carry while their first tokens come within that many
    seconds. Endpoints that drain, are off, ill or at rest carry nothing."""
    rows = ServedEndpoint.objects.filter(served_model=served_model_id, state=ServedEndpoint.State.ON)
    able = rows.exclude(health=ServedModel.Health.UNHEALTHY)
    awake = able.exclude(rests_until__gt=now)
    reach = sum(_carried(row, first_token, now) for row in awake)
    # one that was never asked has no row yet
    return reach or (0 if rows.model.objects.filter(served_model=served_model_id).exists() else BEGINS_WITH)


def _carried(row: ServedEndpoint, first_token: float, now: datetime) -> int:
    """An endpoint that shares its places with others is counted upon for an even share of them."""
    reach = carried(paces_of(row, now), first_token, row.most_at_once)
    if not row.server:
        return reach
    on = Q(state=ServedEndpoint.State.ON, served_model__enabled=True)
    return max(reach // max(with_shared_places([row]).filter(on).count(), 1), 1)


def with_shared_places(rows: Iterable[ServedEndpoint]) -> QuerySet[ServedEndpoint]:
    """These endpoints, and those of any model that share their places."""
    keys, servers = {row.pk for row in rows}, {row.server for row in rows if row.server}
    return ServedEndpoint.objects.filter(Q(pk__in=keys) | Q(server__in=servers))


def under_way(rows: Sequence[ServedEndpoint], now: datetime) -> dict[int, int]:
    """How many requests are under way at each of these endpoints, those of whom it shares its places with included."""
    open_now = OpenRequest.objects.filter(endpoint__in=with_shared_places(rows), until__gt=now)
    counted = list(open_now.values_list("endpoint", "endpoint__server").annotate(count=Count("pk")))
    return {
        row.pk: sum(count for pk, server, count in counted if pk == row.pk or (server and server == row.server))
        for row in rows
    }


def lock_models() -> None:
    """Whoever decides about what models can carry queues here until their transaction ends; called inside one."""
    list(ServedModel.objects.select_for_update(no_key=True).order_by("pk").values_list("pk"))
