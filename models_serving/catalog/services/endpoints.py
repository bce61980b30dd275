"""Writes about one endpoint: where it is, whether it takes work, what it was found able to do, a greeting."""

from collections.abc import Callable, Generator
from contextlib import closing
from dataclasses import replace

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
_GREETING = (Message("user", "Hello! Who are you?"),)
# tokens and patience for a greeting; where all of that went into thinking, once more with these
_FEW, _MORE = 40, 1_000
_LONG_HELLO = TimeLimits(first_token=40.0, between_tokens=5.0, total=40.0, max_chars=2_000)
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
    board = CatalogBoard(served_model)
    return _greeted(served_model, served_model.asked_as, lambda request: ask(board, request))


def say_hello_to(*, endpoint: ServedEndpoint) -> Finished | Failed:
    """Ask this very endpoint, whether or not it takes work."""
    asked = endpoint_of(endpoint)

    def answer(request: GenerationRequest) -> Generator[Event | None]:
        sampling = request.sampling if "max_tokens" in honoured(asked) else Sampling()
        return stream_sync(asked, replace(request, sampling=sampling))

    return _greeted(endpoint.served_model, endpoint.asked_as, answer)


def _greeted(
    served_model: ServedModel, asked_as: str, answer: Callable[[GenerationRequest], Generator[Event | None]]
) -> Finished | Failed:
    """The end of an answer to a greeting; a model that only thought gets room to come to its answer."""
    wished = GenerationRequest(asked_as, _GREETING, Sampling(max_tokens=_FEW), _HELLO, wishes=frozenset({"max_tokens"}))
    with closing(answer(wished)) as events:
        last = _last(list(events))
    if isinstance(last, Failed) and last.has_thought:
        with closing(answer(replace(wished, sampling=Sampling(max_tokens=_MORE), limits=_LONG_HELLO))) as events:
            last = _last(list(events))
    return _noted(served_model, last)


def _last(events: list[Event | None]) -> Finished | Failed:
    last = events[-1] if events else None
    if not isinstance(last, Finished | Failed):
        raise TypeError("an answer ends with Finished or Failed")
    return last


def _noted(served_model: ServedModel, last: Finished | Failed) -> Finished | Failed:
    if isinstance(last, Finished):
        record_revision(served_model=served_model, finished=last)
    return last
