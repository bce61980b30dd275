"""Declare models and where they answer."""

from collections.abc import Mapping
from dataclasses import fields
from typing import Any

from django.core.exceptions import ValidationError
from django.db import transaction
from django.db.models import QuerySet

from models_serving.backends import BACKENDS
from models_serving.backends.dialects import DIALECTS
from models_serving.catalog.models import ServedEndpoint, ServedModel
from models_serving.catalog.parameters import wrong_values
from models_serving.contracts import Sampling
from models_serving.outbound import OutboundError, check_url

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
    "defaults",
    "first_token_limit",
    "between_tokens_limit",
    "licence",
    "price_input",
    "price_output",
    "price_currency",
)
_REACHED_BY = ("backend", "url", "served_name", "api_key_env", "options")
# what tells where and how an endpoint is asked
REACHED_BY = frozenset({*_REACHED_BY, "dialect"})
_OF_AN_ENDPOINT = ("url", "backend", "served_name", "api_key_env", "options", "dialect", "most_at_once", "server")


# what is added to an address, and may be pasted with it
_ADDED = ("/chat/completions", "/completions", "/models")


class DeclarationError(ValueError):
    """A declaration of models is wrong; the message names the place."""


def register_models(*, declarations: Any, default_url: str = "") -> list[ServedModel]:
    """Make or change the declared models, all or none; others stay as they are.

    A declaration is a list of mappings with members of `DECLARED`, and `endpoints`: further places where the model
    answers, each an address or a mapping; those that are not named any more are taken away. What a declaration does not
    name keeps its value on a model that exists. An `openai_compatible` model without `url` is asked at `default_url`.
    The same declaration a second time changes nothing; a model that is reached differently from now on has its health
    forgotten."""
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
    if unknown := sorted(set(map(str, declared)) - {*DECLARED, "endpoints"}):
        raise DeclarationError(f"{place}.{unknown[0]} is unknown; known are {', '.join(DECLARED)}, endpoints")
    if not isinstance(declared.get("name"), str):
        raise DeclarationError(f"{place}.name is missing")
    served_model = ServedModel.objects.select_for_update().filter(name=declared["name"]).first() or ServedModel()
    before = [getattr(served_model, name) for name in _REACHED_BY]
    for name, value in declared.items():
        if name != "endpoints":
            setattr(served_model, name, value)
    if served_model.backend == "openai_compatible" and "url" not in declared and default_url:
        served_model.url = default_url
    is_reached_differently = before != [getattr(served_model, name) for name in _REACHED_BY]
    _check(served_model, place)
    served_model.save()
    if is_reached_differently:
        forget_standing(served_model=served_model, endpoints=served_model.endpoints.all())
    if "endpoints" in declared:
        _further(served_model, declared["endpoints"], f"{place}.endpoints")
    return served_model


def _further(served_model: ServedModel, declared: Any, place: str) -> None:
    """The further endpoints as declared; the model's own row is not among them."""
    if not isinstance(declared, list):
        raise DeclarationError(f"{place} must be a list")
    urls = []
    for number, one in enumerate(declared):
        said = {"url": one} if isinstance(one, str) else one
        if not isinstance(said, Mapping) or not said.get("url"):
            raise DeclarationError(f"{place}[{number}] must be an address, or a mapping with url")
        if unknown := sorted(set(map(str, said)) - set(_OF_AN_ENDPOINT)):
            raise DeclarationError(f"{place}[{number}].{unknown[0]} is unknown; known are {', '.join(_OF_AN_ENDPOINT)}")
        found = served_model.endpoints.filter(url=said["url"]).first() or ServedEndpoint(served_model=served_model)
        before = [getattr(found, name) for name in sorted(REACHED_BY)]
        for name, value in said.items():
            setattr(found, name, value)
        check_endpoint(found, f"{place}[{number}]")
        found.save()
        if before != [getattr(found, name) for name in sorted(REACHED_BY)]:
            forget_standing(served_model=served_model, endpoints=served_model.endpoints.filter(pk=found.pk))
        urls.append(found.url)
    served_model.endpoints.exclude(url__in=["", *urls]).delete()


def forget_standing(*, served_model: ServedModel, endpoints: QuerySet[ServedEndpoint]) -> None:
    """These endpoints of the model are reached differently from now on: what was found about them counts no more, nor
    does the model's health, which may be theirs."""
    served_model.health, served_model.health_detail = ServedModel.Health.UNKNOWN, ""
    served_model.save(update_fields=["health", "health_detail"])
    endpoints.update(
        health=ServedModel.Health.UNKNOWN,
        health_detail="",
        capabilities={},
        examined_at=None,
        trial_began_at=None,
        trial_error="",
        failures=0,
        rests_until=None,
    )


def check_endpoint(endpoint: ServedEndpoint, place: str) -> None:
    """Raises `DeclarationError` for the first thing that is wrong with it."""
    try:
        endpoint.full_clean(exclude=["served_model"])
    except ValidationError as error:
        name, [message, *_] = next(iter(error.message_dict.items()))
        raise DeclarationError(f"{place}.{name}: {message}") from error
    for name, value in endpoint_problems(endpoint).items():
        raise DeclarationError(f"{place}.{name}: {value}")


def _wrong_address(url: str) -> str:
    """Why nobody can be asked at this address; empty where somebody can."""
    if not url.startswith(("http://", "https://")):
        return "an address that begins with http:// or https:// is needed"
    try:
        check_url(url)
    except OutboundError as error:
        return str(error)
    ending = next((one for one in _ADDED if url.rstrip("/").endswith(one)), None)
    return f"the address ends before {ending}, which is added to it" if ending else ""


def endpoint_problems(endpoint: ServedEndpoint) -> dict[str, str]:
    """What is wrong with how an endpoint is declared, by field."""
    found = {}
    if endpoint.backend and endpoint.backend not in BACKENDS:
        found["backend"] = f"there are {', '.join(sorted(BACKENDS))}"
    backend = endpoint.backend or endpoint.served_model.backend
    if backend == "openai_compatible" and endpoint.url and (address := _wrong_address(endpoint.url)):
        found["url"] = address
    if endpoint.dialect and endpoint.dialect not in DIALECTS:
        found["dialect"] = f"there are {', '.join(DIALECTS)}"
    if not isinstance(endpoint.options, dict | None):
        found["options"] = "a mapping is needed, or nothing"
    return found


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
    if served_model.backend == "openai_compatible" and (address := _wrong_address(served_model.url)):
        found["url"] = address
    for name in ("options", "card", "defaults"):
        if not isinstance(getattr(served_model, name), dict):
            found[name] = "a mapping is needed"
    known = sorted(field.name for field in fields(Sampling))
    supported = served_model.supported_parameters
    if supported is not None and not (isinstance(supported, list) and set(map(str, supported)) <= set(known)):
        found["supported_parameters"] = f"a list of {', '.join(known)} is needed, or nothing"
    if isinstance(served_model.defaults, dict) and (wrong := next(wrong_values(served_model.defaults), None)):
        found["defaults"] = wrong
    priced = served_model.price_input is not None or served_model.price_output is not None
    if priced and len(served_model.price_currency) != 3:
        found["price_currency"] = "a price has a currency of three letters"
    return found
