"""One answer from whichever endpoint of a model can give it. Before the answer has begun, what one endpoint cannot do
is tried at another one, or after a pause again: never again where it was refused or makes no sense, and only once more
where it broke, because it may be this request that breaks the server. Once a token has come nothing is tried again: two
attempts must never be spliced. Every try is in the final event."""

import time
from collections.abc import Callable, Generator, Iterable
from contextlib import closing
from dataclasses import dataclass, replace
from typing import Any, Protocol

from models_serving.client.streaming import honoured, stream_sync
from models_serving.contracts import (
    Chunk,
    Endpoint,
    Event,
    Failed,
    FailureKind,
    Finished,
    GenerationRequest,
    TimeLimits,
    Timings,
    Try,
)

# one endpoint alone: long enough for its server to be started again
PAUSES = (1.0, 2.0, 4.0, 8.0)
# how often somebody who waits for room looks again, and the longest that nothing is heard of somebody who waits
LOOK_EVERY = 0.25
# who waits for an endpoint that rests looks once in so many seconds: it may be asked again sooner than was said
LOOK_AT_REST = 1.0
# kinds after which another endpoint may do it, or the same one a little later
ELSEWHERE: frozenset[FailureKind] = frozenset({"unreachable", "busy", "broken", "refused"})
# an endpoint that had less than this share of the usual time for a first token is not blamed for having needed more
FAIR_SHARE = 0.5


@dataclass(frozen=True, slots=True)
class Place:
    """Leave to ask an endpoint once: `key` tells it from the model's others, `model` is its name for the model,
    `name` what provenance calls the endpoint. `among`: the keys of all that could have been asked. `on_trial`: it is
    asked this one thing, to see whether it is back."""

    key: int
    endpoint: Endpoint
    model: str
    name: str
    ticket: Any = None
    among: frozenset[int] = frozenset()
    on_trial: bool = False


@dataclass(frozen=True, slots=True)
class NoPlace:
    """Why nobody may be asked now, and after how many seconds to look again. `final`: waiting does not help."""

    why: str
    final: bool = False
    seconds: float = LOOK_EVERY


class Board(Protocol):
    """Where it is written down who is asked how much. All askers of an endpoint share one."""

    def take(
        self,
        tried: frozenset[int],
        seconds: float,
        *,
        needs: frozenset[str] = frozenset(),
        without: frozenset[int] = frozenset(),
    ) -> Place | NoPlace:
        """A place at the best endpoint, held for at most so many seconds; one of those tried only where no other has
        room. Those in `without`, and those that do not honour all parameters that the request `needs`, are as if they
        were not there."""

    def begun(self, place: Place) -> None:
        """The answer of an endpoint on trial has begun: it is back, and others need not wait until that one ends."""

    def give_back(
        self, place: Place, end: Finished | Failed | None, waited: float | None = None, *, hurried: bool = False
    ) -> None:
        """The place is free again; what came of it counts for the endpoint's standing. `waited`: how many seconds
        somebody had waited before the endpoint was asked, without those that other endpoints took; `None` where nobody
        waits. `hurried`: it had so little of the usual time left that not to begin in it is no failure."""


def nobody_able(endpoints: Iterable[Endpoint], needs: frozenset[str]) -> NoPlace:
    """Why none of these, which is all that the model has left, can be asked."""
    lacking = sorted({name for one in endpoints for name in needs - honoured(one)})
    if lacking:
        return NoPlace(f"no endpoint of the model honours {', '.join(lacking)}", final=True)
    return NoPlace("no endpoint of the model is left that could answer the request", final=True)


Streamed = Generator[Event | None]
Stream = Callable[[Endpoint, GenerationRequest], Streamed]


def ask(
    board: Board,
    request: GenerationRequest,
    *,
    stream: Stream = stream_sync,
    sleep: Callable[[float], None] = time.sleep,
    now: Callable[[], float] = time.monotonic,
) -> Streamed:
    """Yield `Chunk` events, then one `Finished` or `Failed`; `None` whenever there is nothing to tell for a while, so
    that the caller can do something else. `request.model` is replaced by the endpoint's name for it. The limits count
    from here, the waiting for room included. Closing gives the place back."""
    return _Asking(board, request, stream, sleep, now).run()


class _Asking:
    def __init__(
        self,
        board: Board,
        request: GenerationRequest,
        stream: Stream,
        sleep: Callable[[float], None],
        now: Callable[[], float],
    ) -> None:
        self.board, self.request, self.stream, self.sleep, self.now = board, request, stream, sleep, now
        self.began = now()
        self.tries: list[Try] = []
        self.needs = frozenset(request.sampling.sent()) - request.wishes
        self.tried: frozenset[int] = frozenset()
        # those that are not asked again, and those where it broke once
        self.without: frozenset[int] = frozenset()
        self.broke: frozenset[int] = frozenset()
        # how those failed last that may do it a little later, in the order in which they did
        self.hopes: dict[int, Failed] = {}
        self.rounds = 0

    def run(self) -> Streamed:
        while True:
            place = yield from self._place()
            if isinstance(place, NoPlace):
                yield self._without_place(place)
                return
            if place.key in self.tried:
                # the others are full, and this one failed a moment ago
                self.board.give_back(place, None)
                pause = self._next_round()
                if pause is None:
                    yield self._without_place(NoPlace(self.tries[-1].error))
                    return
                yield from self._rest(pause)
                continue
            asked_at = self._elapsed()
            end = yield from self._once(place)
            if isinstance(end, Failed) and (pause := self._pause(place, end)) is not None:
                self.tries.append(Try(place.name, end.kind, end.error, round(self._elapsed() - asked_at, 3)))
                yield from self._rest(pause)
            else:
                yield self._final(place, end, asked_at)
                return

    def _elapsed(self) -> float:
        return self.now() - self.began

    def _left(self) -> float:
        """Seconds within which the answer has to begin."""
        return min(self.request.limits.first_token, self.request.limits.total) - self._elapsed()

    def _place(self) -> Generator[None, None, Place | NoPlace]:
        """A place, or why there was none in time."""
        while True:
            left = self.request.limits.total - self._elapsed()
            found = self.board.take(self.tried, left, needs=self.needs, without=self.without)
            if isinstance(found, Place) or found.final or self._left() <= 0:
                return found
            yield from self._rest(min(max(found.seconds, LOOK_EVERY), LOOK_AT_REST, self._left()))

    def _once(self, place: Place) -> Generator[Event | None, None, Finished | Failed]:
        end: Finished | Failed | None = None
        waited = self._waited(place) if self.request.live else None
        request, on_trial = self._request(place), place.on_trial
        hurried = request.limits.first_token < FAIR_SHARE * self.request.limits.first_token
        try:
            with closing(self.stream(place.endpoint, request)) as events:
                for event in events:
                    if isinstance(event, Finished | Failed):
                        end = event
                        break
                    if on_trial and isinstance(event, Chunk):
                        self.board.begun(place)
                        on_trial = False
                    yield event
        finally:
            self.board.give_back(place, end, waited, hurried=hurried)
        if end is None:
            raise RuntimeError(f"the stream of {place.name} had no end")
        return end

    def _waited(self, place: Place) -> float:
        """Seconds that somebody has waited for this endpoint: not those that tries at others took."""
        elsewhere = sum(one.seconds for one in self.tries if one.endpoint != place.name)
        return max(self.request.waited + self._elapsed() - elsewhere, 0.0)

    def _request(self, place: Place) -> GenerationRequest:
        """The request for this endpoint: its name for the model, without wishes that it cannot fulfil, and with the
        time that is left."""
        unknown = (self.request.wishes & set(self.request.sampling.sent())) - honoured(place.endpoint)
        left_out: dict[str, Any] = {name: () if name == "stop" else None for name in unknown}
        sampling = replace(self.request.sampling, **left_out)
        limits, spent = self.request.limits, self._elapsed()
        left = TimeLimits(
            limits.connect,
            max(limits.first_token - spent, 0.001),
            limits.between_tokens,
            max(limits.total - spent, 0.001),
            limits.max_chars,
        )
        return replace(self.request, model=place.model, sampling=sampling, limits=left)

    def _pause(self, place: Place, end: Failed) -> float | None:
        """Seconds until the next try; `None` where there is none."""
        silent = end.kind == "timeout" and end.error.startswith("connect")
        if _has_begun(end) or not (end.kind in ELSEWHERE or silent):
            return None
        self.hopes.pop(place.key, None)
        if self._is_hopeless(place, end):
            self.without |= {place.key}
        else:
            self.tried |= {place.key}
            self.hopes[place.key] = end
        if place.among - self.tried - self.without:
            return 0.0
        return self._next_round(end.retry_after or 0.0) if self.hopes else None

    def _is_hopeless(self, place: Place, end: Failed) -> bool:
        """Whether the endpoint would do it no better later. Where the connection was lost, that may be because of this
        request: it is made there once more, and not again and again."""
        if end.kind != "broken":
            return end.kind == "refused"
        again, self.broke = place.key in self.broke, self.broke | {place.key}
        return again or not end.passing

    def _next_round(self, least: float = 0.0) -> float | None:
        """Every endpoint that has room was tried: seconds until all may be asked again, `None` where no time is left
        for that."""
        if self.rounds >= len(PAUSES):
            return None
        pause = max(least, PAUSES[self.rounds])
        self.tried, self.rounds = frozenset(), self.rounds + 1
        return pause if pause < self._left() else None

    def _rest(self, seconds: float) -> Generator[None]:
        until = self.now() + seconds
        while (left := until - self.now()) > 0:
            yield None
            self.sleep(min(left, LOOK_EVERY))

    def _final(self, place: Place, end: Finished | Failed, asked_at: float) -> Finished | Failed:
        first = end.timings.first_token
        timings = Timings(None if first is None else first + asked_at, end.timings.finished + asked_at)
        hope = next(reversed(self.hopes.values()), None)
        if hope and isinstance(end, Failed) and end.kind == "refused" and not _has_begun(end):
            # what one endpoint refuses another one may still do later: that is the failure to go by
            end = replace(end, kind=hope.kind, error=f"{hope.error}; {place.name} refused: {end.error}")
        return replace(end, timings=timings, endpoint=place.name, tries=tuple(self.tries))

    def _without_place(self, found: NoPlace) -> Failed:
        kind: FailureKind = "refused" if found.final else "busy"
        if self.tries and not found.final:
            # why nobody can be asked is what the last one that was asked said
            kind = self.tries[-1].kind
        return Failed(kind, found.why, "", Timings(None, self._elapsed()), {}, tries=tuple(self.tries))


def _has_begun(end: Failed) -> bool:
    return bool(end.text) or end.timings.first_token is not None
