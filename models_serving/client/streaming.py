"""One request to one endpoint. Nothing is tried again here. `stream` is for event loops (close it with
`contextlib.aclosing`, or leave its loop by exhaustion), `stream_sync` for threads. Closing either closes the
connection, which is how an answer is cancelled."""

import asyncio
import unicodedata
from collections.abc import AsyncGenerator, Generator, Iterator, Mapping
from contextlib import aclosing, closing
from dataclasses import replace
from typing import Any

from models_serving.backends import backend_named
from models_serving.backends.base import BackendError, End
from models_serving.backends.dialects import ALL, dialect_named
from models_serving.contracts import (
    Chunk,
    Endpoint,
    Event,
    Failed,
    Finished,
    GenerationRequest,
    Report,
    TimeLimits,
    Timings,
)
from models_serving.limits import PhaseClock


def honoured(endpoint: Endpoint) -> frozenset[str]:
    """The sampling parameters that may be sent there: those declared or found, else those of its dialect."""
    if endpoint.supported is not None:
        return endpoint.supported
    return dialect_named(endpoint.dialect).honours if endpoint.backend == "openai_compatible" else ALL


async def stream(endpoint: Endpoint, request: GenerationRequest) -> AsyncGenerator[Event]:
    """Yield `Chunk` events as text arrives, then exactly one `Finished` or `Failed`; the chunks' texts together are
    that event's `text`. Time limits are those of `request.limits`, in seconds from this call's first step."""
    answer = _Answer(request)
    try:
        backend = backend_named(endpoint.backend)
        answer.prepare(endpoint, backend.body(endpoint, request))
        async with aclosing(backend.apieces(endpoint, request, answer.sent, answer.clock, answer.report)) as pieces:
            while answer.end is None:
                answer.clock.wait()
                async with asyncio.timeout(max(answer.clock.left(), 0)):
                    piece = await anext(pieces, None)
                for event in answer.take(piece):
                    yield event
        final = answer.finished()
    except BackendError as error:
        yield answer.failed(error)
    except TimeoutError:
        yield answer.overdue()
    else:
        yield final


def stream_sync(endpoint: Endpoint, request: GenerationRequest) -> Generator[Event]:
    """The same as `stream` for a thread: nothing here needs or starts an event loop."""
    answer = _Answer(request)
    try:
        backend = backend_named(endpoint.backend)
        answer.prepare(endpoint, backend.body(endpoint, request))
        with closing(backend.pieces(endpoint, request, answer.sent, answer.clock, answer.report)) as pieces:
            while answer.end is None:
                answer.clock.wait()
                piece = next(pieces, None)
                if not isinstance(piece, End):
                    # what is complete is not too late
                    answer.clock.check()
                yield from answer.take(piece)
        final = answer.finished()
    except BackendError as error:
        yield answer.failed(error)
    except TimeoutError:
        yield answer.overdue()
    else:
        yield final


def probe(endpoint: Endpoint, model: str, limits: TimeLimits | None = None) -> Report:
    """Ask an endpoint what it serves, within `limits.first_token` seconds (default 5). Never raises for what the other
    side does or does not do; generates nothing."""
    clock = PhaseClock(limits or TimeLimits(first_token=5.0, total=5.0))
    try:
        return backend_named(endpoint.backend).probe(endpoint, model, clock)
    except BackendError as error:
        return Report(reachable=False, serves=False, error=str(error))


class _Answer:
    """One answer as it grows, and the rules that hold for every backend."""

    def __init__(self, request: GenerationRequest) -> None:
        self.clock = PhaseClock(request.limits)
        self.sent: Mapping[str, Any] = {}
        self.asked: Endpoint | None = None
        self.end: End | None = None
        self.report: dict[str, Any] = {}
        self._request = request
        self._texts: list[str] = []
        self._chars = 0

    def prepare(self, endpoint: Endpoint, body: Mapping[str, Any]) -> None:
        """Nothing is dropped silently: what the endpoint does not honour refuses the request."""
        wanted = self._request.sampling.sent()
        if unsupported := sorted(set(wanted) - honoured(endpoint)):
            raise BackendError("refused", f"the endpoint does not honour {', '.join(unsupported)}")
        if not self._request.messages:
            raise BackendError("refused", "there is no message to answer")
        self.sent, self.asked = body, endpoint

    def take(self, piece: str | End | None) -> Iterator[Chunk]:
        """Note a piece; yields it as a chunk if it is text. Raises `BackendError` for what no answer may hold."""
        if piece is None:
            raise BackendError("broken", "the answer broke off", passing=True)
        if isinstance(piece, End):
            self.end = piece
        elif piece:
            _check_text(piece)
            self.clock.heard_text()
            room = self._request.limits.max_chars - self._chars
            if kept := piece[:room]:
                self._texts.append(kept)
                self._chars += len(kept)
                yield Chunk(kept)
            if len(piece) > room:
                raise BackendError("too_long", f"more than {self._request.limits.max_chars} characters")

    def finished(self) -> Finished:
        text = "".join(self._texts)
        if self.end is None or not any(_visible(character) for character in text):
            raise BackendError("empty", "the answer has no visible text")
        end = self.end
        return Finished(text, end.finish_reason, end.usage, self._timings(), self.sent, self.report, self.asked)

    def failed(self, error: BackendError) -> Failed:
        text = "".join(self._texts)
        end = Failed(error.kind, str(error), text, self._timings(), self.sent, error.retry_after, report=self.report)
        return replace(end, passing=error.passing)

    def overdue(self) -> Failed:
        return self.failed(BackendError("timeout", self.clock.overdue()))

    def _timings(self) -> Timings:
        return Timings(first_token=self.clock.first_token, finished=self.clock.elapsed())


def _check_text(text: str) -> None:
    """Half a surrogate pair cannot be written as UTF-8 and U+0000 cannot be stored by PostgreSQL."""
    try:
        # in C: this is asked of every token
        text.encode()
    except UnicodeEncodeError as error:
        raise BackendError("broken", "the answer holds what is no text") from error
    if "\x00" in text:
        raise BackendError("broken", "the answer holds what is no text")


def _visible(character: str) -> bool:
    """Neither white space nor a control, format or unassigned character."""
    return unicodedata.category(character)[0] not in "ZC"
