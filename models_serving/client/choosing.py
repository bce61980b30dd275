"""Which endpoint is asked next, and when one is left alone for a while. Pure: the standings come in, times are seconds
on any one clock.

The circuit breaker: so many failures in a row that are the endpoint's own open it, and it is asked nothing for a while;
then one request at a time tries it. An answer that begins closes it; one more failure opens it for twice as long."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass

from models_serving.contracts import Failed, Finished

OPENS_AFTER = 5
FIRST_REST, LONGEST_REST = 2.0, 60.0
# what an endpoint that says nothing else is trusted to do at the same time
USUAL_MOST = 64
BUSY_REST = 1.0


@dataclass(frozen=True, slots=True)
class Standing:
    """How an endpoint stands: requests under way there, how many there may be, whether it answered when it was last
    looked after, its failures in a row, and until when it is left alone."""

    in_flight: int = 0
    most_at_once: int = USUAL_MOST
    well: bool = True
    failures: int = 0
    rests_until: float = 0.0

    @property
    def is_on_trial(self) -> bool:
        return self.failures >= OPENS_AFTER


def is_free(standing: Standing, now: float) -> bool:
    """Whether it may be asked one more now."""
    room = 1 if standing.is_on_trial else standing.most_at_once
    return standing.rests_until <= now and standing.in_flight < room


def pick(standings: Sequence[Standing], now: float, avoid: Collection[int] = ()) -> int | None:
    """The place in the list of the endpoint to ask: one that was not tried for this request yet, then a well one, then
    the least loaded for its size. `None`: all are full or at rest."""
    free = [number for number, standing in enumerate(standings) if is_free(standing, now)]

    def merit(number: int) -> tuple[bool, bool, bool, float, int]:
        one = standings[number]
        return number in avoid, not one.well, one.is_on_trial, one.in_flight / one.most_at_once, number

    return min(free, key=merit, default=None)


def soonest(standings: Sequence[Standing], now: float) -> float:
    """Seconds until one that rests may be asked again; zero where one only waits for room."""
    return max(min((one.rests_until for one in standings), default=now) - now, 0.0)


def stands_begun(standing: Standing) -> tuple[int, float]:
    """Failures in a row and the end of its rest, now that an answer has begun. A rest that the endpoint asked for
    holds, whatever it still answers meanwhile."""
    return 0, 0.0 if standing.is_on_trial else standing.rests_until


def stands_after(
    standing: Standing, end: Finished | Failed | None, now: float, *, hurried: bool = False
) -> tuple[int, float]:
    """The same after a request came to this end (`None`: whoever asked has left). `hurried`: it had little time to
    begin."""
    if end is None or (isinstance(end, Failed) and end.kind == "refused"):
        # a refusal says that somebody is there, and not that answers come
        return standing.failures, standing.rests_until
    if hurried and isinstance(end, Failed) and end.kind == "timeout" and end.timings.first_token is None:
        return standing.failures, standing.rests_until
    if isinstance(end, Failed) and end.kind == "busy":
        return standing.failures, max(standing.rests_until, now + min(end.retry_after or BUSY_REST, LONGEST_REST))
    if not _is_its_own_failure(end):
        return stands_begun(standing)
    if standing.is_on_trial and now < standing.rests_until:
        # it was asked before its rest began: a crash with many requests under way is one failure, and no reason to
        # leave it alone for longer than it takes to come back
        return standing.failures, standing.rests_until
    failures = standing.failures + 1
    if failures < OPENS_AFTER:
        return failures, standing.rests_until
    # the power is bounded, too: no number holds that of a thousand failures
    return failures, now + min(FIRST_REST * 2 ** min(failures - OPENS_AFTER, 10), LONGEST_REST)


def _is_its_own_failure(end: Finished | Failed) -> bool:
    """An answer that is refused, empty or too long is the request's or the model's; one that flows but is slow is not
    the endpoint's silence."""
    if isinstance(end, Finished):
        return False
    return end.kind in {"unreachable", "broken"} or (end.kind == "timeout" and end.timings.first_token is None)
