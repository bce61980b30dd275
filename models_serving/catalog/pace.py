"""How many requests an endpoint carries while first tokens come in time: read from what people saw in the last minutes.

First-token times are noted with the load under which they came, and gathered in classes of load: up to 1, 2, 4, 8, …. A
class holds a target where 95 of 100 of its times do. An endpoint carries as much as its highest class that holds the
target, whatever lower ones did, and, to find out, one class more; a class above that missed it is out of reach. It gets
no new times then, and is tried again when the old ones no longer count. Nothing is known of a new endpoint: it begins
with `BEGINS_WITH`."""

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from models_serving.catalog.models import FirstToken, ServedEndpoint

BEGINS_WITH = 4
# a class counts when it has so many times; and it counts by its newest so many
LEAST, NEWEST = 40, 200
# so many are enough to try one class more: of so few the slowest has to hold the target
FEW = 10
PERCENT = 95
WITHIN = timedelta(minutes=15)


@dataclass(frozen=True, slots=True)
class Pace:
    """The first-token times of one class of load: up to so many requests under way."""

    load: int
    count: int
    p95: float


def class_of(load: int) -> int:
    """The class that a load falls into: the next power of two."""
    return 1 << max(load - 1, 0).bit_length()


def paces_of(endpoint: ServedEndpoint, now: datetime) -> list[Pace]:
    """What is known, from the lowest class up."""
    times: dict[int, list[float]] = {}
    recent = FirstToken.objects.filter(endpoint=endpoint, at__gt=now - WITHIN).order_by("-at", "-pk")
    for load, seconds in recent.values_list("load", "seconds")[: NEWEST * 10]:
        kept = times.setdefault(class_of(load), [])
        if len(kept) < NEWEST:
            kept.append(seconds)
    return [Pace(load, len(kept), p95(kept)) for load, kept in sorted(times.items())]


def p95(times: Iterable[float]) -> float:
    """The time that 95 of 100 do not pass."""
    ordered = sorted(times)
    return ordered[math.ceil(PERCENT * len(ordered) / 100) - 1]


def carried(paces: Sequence[Pace], target: float, most: int) -> int:
    """How many requests at the same time have their first token within `target` seconds, `most` at most; one at
    least, because an endpoint that is asked nothing never shows that it has recovered."""
    known = [pace for pace in paces if pace.count >= LEAST]
    held = max((pace.load for pace in known if pace.p95 <= target), default=0)
    missed = min((pace.load for pace in known if pace.load > held and pace.p95 > target), default=None)
    # all below a class that missed it is left, if it is known or not
    if missed is not None:
        return max(min(missed // 2, most), 1)
    quick = max((pace.load for pace in paces if pace.count >= FEW and pace.p95 <= target), default=0)
    return min(max(BEGINS_WITH, quick * 2), most)
