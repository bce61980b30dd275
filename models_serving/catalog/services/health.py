"""Ask endpoints what they serve, and store how they are; a model is as well as the best of its endpoints that take
work."""

import logging
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import replace
from datetime import datetime, timedelta

from django.db import DatabaseError, transaction
from django.db.models import Q

from models_serving.catalog.models import EndpointHour, FirstToken, HealthChange, ServedEndpoint, ServedModel
from models_serving.catalog.queries import RECENT, enabled_models, endpoint_of
from models_serving.catalog.services.endpoints import own_endpoint
from models_serving.catalog.services.revisions import revision_of
from models_serving.client import probe, version_of
from models_serving.client.choosing import OPENS_AFTER
from models_serving.contracts import Report

_PROBES_AT_ONCE = 8
# no check takes longer: whoever began one before has died
CHECK_LASTS = timedelta(seconds=60)
# a healthy endpoint that is silent stays so for so long: probes come every ten seconds, two in a row have to be missed
FORGIVEN = timedelta(seconds=15)
KEPT, HOURS_KEPT = timedelta(days=1), timedelta(days=14)
# of what is kept of an endpoint's health, the newest so many
CHANGES_KEPT = 200
_FOUND = ("dialect", "version", "context")
_NOTED = (
    "health", "health_detail", "health_checked_at", "capabilities", "examined_at", "trial_began_at", "trial_error",
    "rests_until",
)  # fmt: skip
Health = ServedModel.Health
log = logging.getLogger(__name__)


def check_health(*, served_model: ServedModel, now: datetime) -> ServedModel:
    """Ask one model's endpoints what they serve, and store how it is."""
    return check_these(served_models=[served_model], now=now)[0]


def check_all_health(*, now: datetime) -> list[ServedModel]:
    """Ask all enabled models' endpoints, several at once, and store how they are."""
    return check_these(served_models=list(enabled_models()), now=now)


def check_due_health(*, now: datetime) -> list[ServedModel]:
    """The same for those that nobody else is asking at the moment: endpoints that are slow to answer must not have
    check upon check heaped on them."""
    free = Q(being_checked_until__isnull=True) | Q(being_checked_until__lte=now)
    with transaction.atomic():
        due = list(enabled_models().filter(free).select_for_update(no_key=True).order_by("pk"))
        mine = ServedModel.objects.filter(pk__in=[one.pk for one in due])
        mine.update(being_checked_until=now + CHECK_LASTS)
    try:
        return check_these(served_models=due, now=now)
    finally:
        mine.filter(being_checked_until=now + CHECK_LASTS).update(being_checked_until=None)


def check_these(*, served_models: Sequence[ServedModel], now: datetime) -> list[ServedModel]:
    """Ask these models' endpoints, several at once, and store how they are. Those that are switched off are not asked;
    nothing is written while an endpoint is waited for."""
    asked = [(model, endpoint) for model in served_models for endpoint in _asked_endpoints(model)]
    with ThreadPoolExecutor(_PROBES_AT_ONCE) as pool:
        reports: Iterable[Report] = list(pool.map(lambda pair: _looked(pair[1], now), asked))
    told: dict[int, list[tuple[ServedEndpoint, Report]]] = {model.pk: [] for model in served_models}
    for (model, endpoint), report in zip(asked, reports, strict=True):
        with _whatever_happens_to(endpoint):
            _note_endpoint(endpoint, report, now)
        told[model.pk].append((endpoint, report))
    for model in served_models:
        with _whatever_happens_to(model):
            _note_model(model, told[model.pk], now)
    return list(served_models)


@contextmanager
def _whatever_happens_to(one: ServedEndpoint | ServedModel) -> Iterator[None]:
    """One whose health cannot be stored, say because it was deleted meanwhile, keeps nobody from the others' health."""
    try:
        with transaction.atomic():
            yield
    except (DatabaseError, ValueError):
        log.exception("the health of %s could not be stored", one)


def forget_old_times(*, now: datetime) -> int:
    """Drop first tokens that say nothing about today any more, and hours that nobody looks at."""
    old_hours = EndpointHour.objects.filter(hour__lt=now - HOURS_KEPT)
    return FirstToken.objects.filter(at__lt=now - KEPT).delete()[0] + old_hours.delete()[0]


def unanswering(*, names: Iterable[str], now: datetime) -> dict[str, str]:
    """Which of the enabled models of these names do not even say that they serve, each with what is wrong. One of which
    an endpoint that takes work said so within the last minute is believed, the others are asked now."""
    models = list(enabled_models().filter(name__in=set(names)))
    stale = [one for one in models if not _said_so_lately(one, now)]
    checked = check_these(served_models=stale, now=now) if stale else []
    return {one.name: one.health_detail for one in checked if one.health != Health.HEALTHY}


def _said_so_lately(served_model: ServedModel, now: datetime) -> bool:
    rows = served_model.endpoints.filter(state=ServedEndpoint.State.ON, health=Health.HEALTHY)
    return rows.filter(health_checked_at__gt=now - RECENT).exists()


def _asked_endpoints(served_model: ServedModel) -> list[ServedEndpoint]:
    own_endpoint(served_model=served_model)
    rows = served_model.endpoints.exclude(state=ServedEndpoint.State.OFF)
    endpoints = list(rows)
    for one in endpoints:
        # the model as the caller knows it, without a query each
        one.served_model = served_model
    return endpoints


def _looked(endpoint: ServedEndpoint, now: datetime) -> Report:
    """What it says that it serves; and which version its server has, when it is heard of again and then once a minute,
    because some servers have to look for that."""
    reached = endpoint_of(endpoint)
    report = probe(reached, endpoint.asked_as)
    checked = endpoint.health_checked_at if endpoint.health == Health.HEALTHY else None
    if not report.serves or (checked is not None and checked.minute == now.minute):
        return report
    return replace(report, version=version_of(replace(reached, dialect=endpoint.dialect or report.dialect)))


def _note_endpoint(endpoint: ServedEndpoint, report: Report, now: datetime) -> None:
    """Compared with what stands there now, because another check, a trial or somebody in the admin may have been
    quicker. The endpoint as the caller has it says afterwards what is stored."""
    with transaction.atomic():
        known = ServedEndpoint.objects.select_for_update(no_key=True).filter(pk=endpoint.pk).first()
        if known is None:
            raise ValueError("the endpoint was deleted meanwhile")
        if not (_is_newer(known, now) or _is_forgiven(known, report, now)):
            _note_report(known, report, now)
    for name in _NOTED:
        setattr(endpoint, name, getattr(known, name))


def _is_newer(known: ServedEndpoint, now: datetime) -> bool:
    return known.health_checked_at is not None and known.health_checked_at > now


def _is_forgiven(known: ServedEndpoint, report: Report, now: datetime) -> bool:
    """One probe without an answer says little, and studies wait for each of their models."""
    answered = known.health_checked_at if known.health == Health.HEALTHY else None
    return not report.reachable and answered is not None and answered > now - FORGIVEN


def _note_report(known: ServedEndpoint, report: Report, now: datetime) -> None:
    before = known.health, known.health_detail
    known.health = Health.HEALTHY if report.reachable and report.serves else Health.UNHEALTHY
    known.health_detail = report.error[:500]
    known.health_checked_at = now
    if _is_another_server(known, report):
        known.capabilities, known.examined_at = {}, None
        known.trial_began_at, known.trial_error = None, ""
    known.capabilities |= {name: value for name in _FOUND if (value := getattr(report, name))}
    if known.health == Health.HEALTHY != before[0] and known.failures >= OPENS_AFTER:
        # it is back: whoever waits for it may try it now, for however long it was to be left alone
        known.rests_until = None
    known.save(update_fields=_NOTED)
    if before != (known.health, known.health_detail):
        HealthChange.objects.create(endpoint=known, health=known.health, detail=known.health_detail, at=now)
        old = known.health_changes.values_list("pk", flat=True)[CHANGES_KEPT:]
        HealthChange.objects.filter(pk__in=list(old)).delete()


def _is_another_server(known: ServedEndpoint, report: Report) -> bool:
    """Whether something else answers there than what was found before: what a trial found says nothing about it."""
    before = known.capabilities
    other_kind = report.serves and not known.dialect and before.get("dialect", report.dialect) != report.dialect
    other_version = report.version and before.get("version") and before["version"] != report.version
    return bool(other_kind or other_version)


def _note_model(served_model: ServedModel, told: Sequence[tuple[ServedEndpoint, Report]], now: datetime) -> None:
    told = [(endpoint, report) for endpoint, report in told if endpoint.state == ServedEndpoint.State.ON]
    well = [report for _, report in told if report.reachable and report.serves]
    ill = [
        f"{endpoint}: {report.error}" if len(told) > 1 else report.error
        for endpoint, report in told
        if endpoint.health != Health.HEALTHY
    ]
    healthy = len(ill) < len(told)
    served_model.health = Health.HEALTHY if healthy else Health.UNHEALTHY
    served_model.health_detail = ("; ".join(ill) if told else "no endpoint of it is switched on")[:500]
    served_model.health_checked_at = now
    fields = ("health", "health_detail", "health_checked_at")
    # a later check may have been quicker
    rows = ServedModel.objects.filter(pk=served_model.pk).exclude(health_checked_at__gt=now)
    rows.update(**{name: getattr(served_model, name) for name in fields})
    for endpoint, report in told:
        if report in well and "engine" in report.facts:
            # An endpoint that names its exact state before it answers is known before its first answer.
            revision_of(served_model, endpoint_of(endpoint), asked_as=endpoint.asked_as, reported=report.facts)
