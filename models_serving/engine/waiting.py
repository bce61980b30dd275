"""The queue before the batch: bounded, live requests before jobs, and fair between conversations. No torch here.

Among equals the one that came first is next, but each answer that its conversation has at work already counts like
`STEP_BACK_SECONDS` of waiting less. So one person's four candidates do not keep another's first waiting, and nobody
waits for ever behind newcomers."""

from collections import Counter
from collections.abc import Sequence

from models_serving.engine.requests import Ticket

STEP_BACK_SECONDS = 5.0


class QueueFullError(Exception):
    """More requests wait than the engine takes; `retry_after` says in how many seconds there should be room."""

    def __init__(self, retry_after: int = 1) -> None:
        super().__init__(f"busy, retry after {retry_after} s")
        self.retry_after = retry_after


class WaitingRoom:
    """Requests that have no place yet. Not thread-safe: its owner holds a lock."""

    def __init__(self, size: int) -> None:
        self.size = size
        self._tickets: list[Ticket] = []

    def __len__(self) -> int:
        return len(self._tickets)

    def has_room(self, count: int, *, live: bool, free: int = 0) -> bool:
        """Whether so many more may wait, when so many places are free. Jobs never take more than half of the room."""
        jobs = sum(not ticket.asking.live for ticket in self._tickets)
        fits = len(self._tickets) + count <= self.size + free
        return fits and (live or jobs + count <= max(self.size // 2, 1) + free)

    def put(self, tickets: Sequence[Ticket]) -> None:
        """They wait from now on. One that had a place and gave it up keeps the time of its submission."""
        self._tickets.extend(tickets)

    def remove(self, ticket: Ticket) -> None:
        """It waits no longer."""
        self._tickets.remove(ticket)

    def next(self, at_work: Counter[str]) -> Ticket | None:
        """Who gets the next free place, when so many answers of each key are at work."""
        return min(self._tickets, key=lambda ticket: _rank(ticket, at_work), default=None)

    def all(self) -> list[Ticket]:
        """Everybody who waits."""
        return list(self._tickets)


def _rank(ticket: Ticket, at_work: Counter[str]) -> tuple[bool, float]:
    back = at_work[ticket.asking.key] * STEP_BACK_SECONDS if ticket.asking.key else 0.0
    return not ticket.asking.live, ticket.submitted + back
