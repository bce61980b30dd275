"""Relays a turn's log to one browser as server-sent events. It ends when the turn is over, or after a while: the
browser then asks again from where it was."""

import json
import time
import uuid
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass

from annotation.conversations.live import LAST, Entry, Follower, TurnEvent, TurnLog
from annotation.conversations.reveal import Mode, Reveal, Told

PING_EVERY = 15.0
# a job that was killed between storing the end and saying so leaves a silent log; the database knows
ASK_DATABASE_EVERY = 5.0
LONGEST = 600.0
# making one for every event costs more than the event
_ENCODER = json.JSONEncoder(ensure_ascii=False)


@dataclass(frozen=True, slots=True)
class Showing:
    """How a turn is revealed, decided before its first token."""

    turn_id: uuid.UUID
    slots: tuple[str, ...]
    mode: Mode
    hold: float
    pace: float
    started: float


async def relay(
    log: TurnLog, showing: Showing, *, after: int, is_over: Callable[[], Awaitable[str]]
) -> AsyncIterator[bytes]:
    """Server-sent events from entry `after` on. `is_over` says "ready" or "void" where the database knows that the turn
    is over, else ""."""
    yield b"retry: 1000\n\n"
    async with log.follow(showing.turn_id) as follower:
        reader = _Relay(follower, showing, is_over)
        async for told in reader.all(after):
            yield encoded(told)


def encoded(told: list[Told]) -> bytes:
    """Events on the wire; a comment line where there are none, so that proxies keep the connection."""
    lines = []
    for event in told:
        if event.id is not None:
            lines.append(f"id: {event.id}\n")
        lines.append(f"event: {event.name}\ndata: {_ENCODER.encode(event.data)}\n\n")
    return "".join(lines or [": ping\n\n"]).encode()


class _Relay:
    def __init__(self, follower: Follower, showing: Showing, is_over: Callable[[], Awaitable[str]]) -> None:
        self.follower = follower
        self.is_over = is_over
        self.number = 0
        self.reveal = Reveal(showing.mode, showing.slots, hold=showing.hold, pace=showing.pace, started=showing.started)

    async def all(self, after: int) -> AsyncIterator[list[Told]]:
        """Batches to send; an empty one is a ping."""
        began = said = time.monotonic()
        first = await self._first(after)
        if first:
            yield first
        while not self.reveal.ended and time.monotonic() - began < LONGEST:
            told = await self._next()
            if told or time.monotonic() - said >= PING_EVERY:
                said = time.monotonic()
                yield told

    async def _first(self, after: int) -> list[Told]:
        """What there is already: replayed exactly where answers come freely, else what may be seen of it by now."""
        backlog = await self.follower.wait(0)
        self._count(backlog)
        known = [entry for entry in backlog if entry.number <= after]
        told_before = self.reveal.take(known)
        told = self.reveal.take([entry for entry in backlog if entry.number > after])
        if self.reveal.mode == "free":
            # a browser that saw the end and asks again still needs to hear it
            return told or (told_before[-1:] if self.reveal.ended else [])
        ends = [event for event in (*told_before, *told) if event.name in LAST]
        return ends or [self.reveal.snapshot(time.time())]

    async def _next(self) -> list[Told]:
        wait = self.reveal.waiting(time.time())
        batch = await self.follower.wait(ASK_DATABASE_EVERY if wait is None else min(wait, ASK_DATABASE_EVERY))
        if not batch and wait is None and (kind := await self.is_over()):
            batch = [Entry(self.number + 1, TurnEvent("void" if kind == "void" else "ready", time.time()))]
        self._count(batch)
        return [*self.reveal.take(batch), *self.reveal.due(time.time())]

    def _count(self, batch: list[Entry]) -> None:
        self.number = batch[-1].number if batch else self.number
