"""Writes about one endpoint: where it is, whether it takes work, what it was found able to do, a greeting."""

from contextlib import closing

from models_serving.catalog.board import CatalogBoard
from models_serving.catalog.models import ServedEndpoint, ServedModel
from models_serving.catalog.queries import endpoint_of
from models_serving.catalog.services.revisions import record_revision
from models_serving.client import ask, honoured, stream_sync
from models_serving.contracts import (
    Event,
    Failed,
    Finished,
    GenerationRequest,
    Message,
    Sampling,
    TimeLimits,
)

_HELLO = TimeLimits(first_token=15.0, between_tokens=5.0, total=20.0, max_chars=2_000)
State = ServedEndpoint.State


def own_endpoint(*, served_model: ServedModel) -> ServedEndpoint | None:
    """The row of the model's own address, made when it is needed for the first time; `None` where it has none."""
    if served_model.backend == "openai_compatible" and not served_model.url:
        return None
    row, _ = ServedEndpoint.objects.get_or_create(served_model=served_model, url="")
    return row


def move_endpoint(*, endpoint: ServedEndpoint, state: str) -> None:
    """Switch it on or off, or let it drain: it is given nothing new, what it has under way goes on. Switched on again,
    it begins with a clean record."""
    endpoint.state = State(state)
    fields = ["state"]
    if endpoint.state == State.ON:
        endpoint.failures, endpoint.rests_until = 0, None
        fields += ["failures", "rests_until"]
    endpoint.save(update_fields=fields)


def say_hello(*, served_model: ServedModel) -> Finished | Failed:
    """Ask a model for a short real answer, by the way that studies ask it; stores its revision when it gives one."""
    wished = GenerationRequest(
        served_model.asked_as,
        (Message("user", "Hello! Who are you?"),),
        Sampling(max_tokens=40),
        _HELLO,
        wishes=frozenset({"max_tokens"}),
    )
    with closing(ask(CatalogBoard(served_model), wished)) as events:
        last = _last(list(events))
    return _noted(served_model, last)


def say_hello_to(*, endpoint: ServedEndpoint) -> Finished | Failed:
    """Ask this very endpoint, whether or not it takes work."""
    asked = endpoint_of(endpoint)
    wanted = Sampling(max_tokens=40) if "max_tokens" in honoured(asked) else Sampling()
    request = GenerationRequest(endpoint.asked_as, (Message("user", "Hello! Who are you?"),), wanted, _HELLO)
    return _noted(endpoint.served_model, _last(list(stream_sync(asked, request))))


def _last(events: list[Event | None]) -> Finished | Failed:
    last = events[-1] if events else None
    if not isinstance(last, Finished | Failed):
        raise TypeError("an answer ends with Finished or Failed")
    return last


def _noted(served_model: ServedModel, last: Finished | Failed) -> Finished | Failed:
    if isinstance(last, Finished):
        record_revision(served_model=served_model, finished=last)
    return last
