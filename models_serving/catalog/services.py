"""Writes of the catalogue: declare models, note how they are, note exactly which state answered."""

import hashlib
import json
from collections.abc import Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import fields
from datetime import datetime
from typing import Any

from django.core.exceptions import ValidationError
from django.db import transaction

from models_serving.backends import BACKENDS
from models_serving.backends.chunks import revision_facts
from models_serving.catalog.models import ModelRevision, ServedModel
from models_serving.catalog.queries import enabled_models, endpoint_for
from models_serving.client import probe, stream_sync
from models_serving.contracts import Failed, Finished, GenerationRequest, Message, Report, Sampling, TimeLimits

DECLARED = (
    "name",
    "enabled",
    "backend",
    "url",
    "served_name",
    "api_key_env",
    "options",
    "supported_parameters",
    "card",
    "licence",
)
_REACHED_BY = ("backend", "url", "served_name", "api_key_env", "options")
_PROBES_AT_ONCE = 8
_HELLO = TimeLimits(first_token=15.0, between_tokens=5.0, total=20.0, max_chars=2_000)


class DeclarationError(ValueError):
    """A declaration of models is wrong; the message names the place."""


def register_models(*, declarations: Any, default_url: str = "") -> list[ServedModel]:
    """Make or change the declared models, all or none; others stay as they are.

    A declaration is a list of mappings with members of `DECLARED`. What one does not name keeps its value on a model
    that exists. An `openai_compatible` model without `url` is asked at `default_url`. The same declaration a second
    time changes nothing; a model that is reached differently from now on has its health forgotten."""
    if not isinstance(declarations, list):
        raise DeclarationError("a declaration is a list of models")
    names = [declared.get("name") for declared in declarations if isinstance(declared, Mapping)]
    if twice := sorted({str(name) for name in names if names.count(name) > 1}):
        raise DeclarationError(f"declared twice: {', '.join(twice)}")
    with transaction.atomic():
        return [_register(declared, f"[{number}]", default_url) for number, declared in enumerate(declarations)]


def _register(declared: Any, place: str, default_url: str) -> ServedModel:
    if not isinstance(declared, Mapping):
        raise DeclarationError(f"{place} must be a mapping")
    if unknown := sorted(set(map(str, declared)) - set(DECLARED)):
        raise DeclarationError(f"{place}.{unknown[0]} is unknown; known are {', '.join(DECLARED)}")
    if not isinstance(declared.get("name"), str):
        raise DeclarationError(f"{place}.name is missing")
    served_model = ServedModel.objects.select_for_update().filter(name=declared["name"]).first() or ServedModel()
    before = [getattr(served_model, name) for name in _REACHED_BY]
    for name, value in declared.items():
        setattr(served_model, name, value)
    if served_model.backend == "openai_compatible" and "url" not in declared and default_url:
        served_model.url = default_url
    if before != [getattr(served_model, name) for name in _REACHED_BY]:
        served_model.health = ServedModel.Health.UNKNOWN
        served_model.health_detail = ""
    _check(served_model, place)
    served_model.save()
    return served_model


def _check(served_model: ServedModel, place: str) -> None:
    try:
        served_model.full_clean()
    except ValidationError as error:
        name, [message, *_] = next(iter(error.message_dict.items()))
        raise DeclarationError(f"{place}.{name}: {message}") from error
    for name, value in problems(served_model).items():
        raise DeclarationError(f"{place}.{name}: {value}")


def problems(served_model: ServedModel) -> dict[str, str]:
    """What is wrong with how a model is declared, by field; for declarations and for the admin's form."""
    found = {}
    if served_model.backend not in BACKENDS:
        found["backend"] = f"there are {', '.join(sorted(BACKENDS))}"
    if served_model.backend == "openai_compatible" and not served_model.url.startswith(("http://", "https://")):
        found["url"] = "an address that begins with http:// or https:// is needed"
    for name in ("options", "card"):
        if not isinstance(getattr(served_model, name), dict):
            found[name] = "a mapping is needed"
    known = sorted(field.name for field in fields(Sampling))
    supported = served_model.supported_parameters
    if supported is not None and not (isinstance(supported, list) and set(map(str, supported)) <= set(known)):
        found["supported_parameters"] = f"a list of {', '.join(known)} is needed, or nothing"
    return found


def record_revision(*, served_model: ServedModel, report: Mapping[str, Any]) -> ModelRevision:
    """The row of the exact state that gave a report (`Finished.report`); made when it is seen for the first time.

    Two calls with the same facts return the same row, from however many processes they come."""
    return _revision(served_model, revision_facts(report))


def _revision(served_model: ServedModel, reported: Mapping[str, Any]) -> ModelRevision:
    declared = {name: getattr(served_model, name) for name in ("backend", "url", "options", "licence")}
    facts = declared | {"asked_as": served_model.asked_as, "reported": dict(reported)}
    canonical = json.dumps(facts, sort_keys=True, separators=(",", ":"))
    fingerprint = hashlib.sha256(canonical.encode()).hexdigest()
    # Of several at once, one inserts; the unique constraint sends the others back to read that row.
    revision, _ = ModelRevision.objects.get_or_create(
        served_model=served_model, fingerprint=fingerprint, defaults={"facts": facts}
    )
    return revision


def check_health(*, served_model: ServedModel, now: datetime) -> ServedModel:
    """Ask one model's endpoint what it serves, and store how it is."""
    return _note_health(served_model, _probe(served_model), now)


def check_all_health(*, now: datetime) -> list[ServedModel]:
    """Ask all enabled models' endpoints, several at once, and store how they are."""
    return check_these(served_models=list(enabled_models()), now=now)


def check_these(*, served_models: Sequence[ServedModel], now: datetime) -> list[ServedModel]:
    """Ask these models' endpoints, several at once, and store how they are."""
    with ThreadPoolExecutor(_PROBES_AT_ONCE) as pool:
        reports: Iterable[Report] = pool.map(_probe, served_models)
        return [_note_health(model, report, now) for model, report in zip(served_models, reports, strict=True)]


def _probe(served_model: ServedModel) -> Report:
    return probe(endpoint_for(served_model), served_model.asked_as)


def _note_health(served_model: ServedModel, report: Report, now: datetime) -> ServedModel:
    well = report.reachable and report.serves
    served_model.health = ServedModel.Health.HEALTHY if well else ServedModel.Health.UNHEALTHY
    served_model.health_detail = report.error[:500]
    served_model.health_checked_at = now
    # Only these three: somebody may be changing the rest in the admin.
    served_model.save(update_fields=["health", "health_detail", "health_checked_at"])
    if well and "engine" in report.facts:
        # An endpoint that names its exact state before it answers is known before its first answer.
        _revision(served_model, report.facts)
    return served_model


def say_hello(*, served_model: ServedModel) -> Finished | Failed:
    """Ask a model for a short real answer; stores its revision when it gives one."""
    endpoint = endpoint_for(served_model)
    wanted = Sampling(max_tokens=40)
    if endpoint.supported is not None and "max_tokens" not in endpoint.supported:
        wanted = Sampling()
    request = GenerationRequest(served_model.asked_as, (Message("user", "Hello! Who are you?"),), wanted, _HELLO)
    *_, last = stream_sync(endpoint, request)
    if isinstance(last, Finished):
        record_revision(served_model=served_model, report=last.report)
        return last
    if not isinstance(last, Failed):
        raise TypeError("an answer ends with Finished or Failed")
    return last
