"""Reads of the catalogue."""

from collections.abc import Iterable

from django.db.models import QuerySet

from models_serving.catalog.models import ServedModel
from models_serving.contracts import Endpoint


def endpoint_for(served_model: ServedModel) -> Endpoint:
    """Where to ask this model; the name to ask it by is `served_model.asked_as`."""
    supported = served_model.supported_parameters
    return Endpoint(
        backend=served_model.backend,
        url=served_model.url,
        api_key_env=served_model.api_key_env,
        options=served_model.options,
        supported=None if supported is None else frozenset(supported),
    )


def enabled_models() -> QuerySet[ServedModel]:
    """The models that studies may use."""
    return ServedModel.objects.filter(enabled=True)


def missing_names(names: Iterable[str]) -> list[str]:
    """Those of the names that no enabled model bears, sorted."""
    wanted = set(names)
    return sorted(wanted - set(enabled_models().filter(name__in=wanted).values_list("name", flat=True)))
