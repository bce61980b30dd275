"""The event log of a live turn: jobs append to it, pages relay it, and whoever comes later reads it from the start. It
is a log and not a queue, so reloads, second tabs and lost connections replay it.

One interface, two stores: append-only files (one machine) and Redis Streams (several). Events know slot letters and
never a model, a finish reason, an error or a count. Every entry has a number of our own, from 1."""

import json
import uuid
from collections.abc import Mapping, Sequence
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from typing import Literal, Protocol

from django.conf import settings

from annotation.common.once import one_a_process

Kind = Literal["token", "reset", "replaced", "done", "ready", "void"]
LAST = frozenset({"ready", "void"})
# making one for every event costs more than the event
_ENCODER = json.JSONEncoder(ensure_ascii=False, separators=(",", ":"))


@dataclass(frozen=True, slots=True)
class TurnEvent:
    """Something that happened to a slot (or, without a slot, to the turn). `attempt` orders what several writers say
    about one slot: what comes from an earlier attempt than the newest is void. `at`: seconds since the epoch."""

    kind: Kind
    at: float
    slot: str = ""
    attempt: int = 0
    text: str = ""

    def encoded(self) -> str:
        return _ENCODER.encode(
            {"kind": self.kind, "at": self.at, "slot": self.slot, "attempt": self.attempt, "text": self.text}
        )

    @classmethod
    def decoded(cls, line: str | bytes) -> "TurnEvent | None":
        """`None` for a line that a writer did not bring to its end."""
        try:
            return cls(**json.loads(line))
        except (ValueError, TypeError):
            return None


@dataclass(frozen=True, slots=True)
class Entry:
    """An event under its number in the log."""

    number: int
    event: TurnEvent


class Follower(Protocol):
    """Reads on from where it is."""

    async def wait(self, at_most: float) -> list[Entry]:
        """The entries that came since the last call: at once if there are any, else as soon as there are, else an
        empty list after `at_most` seconds."""


Said = Mapping[uuid.UUID, Sequence[TurnEvent]]


class TurnLog(Protocol):
    """Where the events of turns are kept."""

    def append(self, turn_id: uuid.UUID, *events: TurnEvent) -> None:
        """Add events, one behind the other. Safe with several writers at once, of any process."""

    def append_all(self, said: Said) -> None:
        """Add events to the logs of several turns at once."""

    def read(self, turn_id: uuid.UUID, after: int = 0) -> list[Entry]:
        """Every entry with a number above `after`; none where there is no log (any more)."""

    def follow(self, turn_id: uuid.UUID, after: int = 0) -> AbstractAsyncContextManager[Follower]:
        """A reader that waits for what comes."""

    def drop(self, turn_id: uuid.UUID) -> None:
        """Forget the log."""


@one_a_process
def turn_log() -> TurnLog:
    """The log of this installation: Redis where `REDIS_URL` is set, else files."""
    if settings.REDIS_URL:
        from annotation.conversations.live_redis import RedisTurnLog  # noqa: PLC0415 - only where it is used

        return RedisTurnLog(settings.REDIS_URL)
    from annotation.conversations.live_files import FileTurnLog  # noqa: PLC0415 - only where it is used

    return FileTurnLog(settings.TURN_LOG_DIR)
