"""A board in the memory of one process, for scripts and tests; processes that share endpoints share the catalogue's."""

import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

from models_serving.client.asking import NoPlace, Place, nobody_able
from models_serving.client.choosing import USUAL_MOST, Standing, pick, soonest, stands_after, stands_begun
from models_serving.client.streaming import honoured
from models_serving.contracts import Endpoint, Failed, Finished


@dataclass(frozen=True, slots=True)
class Served:
    """An endpoint, its name for the model, and how many requests it is given at the same time."""

    endpoint: Endpoint
    model: str
    most_at_once: int = USUAL_MOST


class MemoryBoard:
    """The endpoints of one model."""

    def __init__(self, served: Sequence[Served], now: Callable[[], float] = time.monotonic) -> None:
        self._served = list(served)
        self._standings = [Standing(most_at_once=one.most_at_once) for one in served]
        self._lock = threading.Lock()
        self._now = now

    @property
    def standings(self) -> list[Standing]:
        with self._lock:
            return list(self._standings)

    def take(
        self,
        tried: frozenset[int],
        seconds: float,
        *,
        needs: frozenset[str] = frozenset(),
        without: frozenset[int] = frozenset(),
    ) -> Place | NoPlace:
        left = {number: one.endpoint for number, one in enumerate(self._served) if number not in without}
        able = [number for number, endpoint in left.items() if needs <= honoured(endpoint)]
        with self._lock:
            if not self._served:
                return NoPlace("the model has no endpoint", final=True)
            if not able:
                return nobody_able(left.values(), needs)
            standings = [self._standings[number] for number in able]
            picked = pick(standings, self._now(), [place for place, number in enumerate(able) if number in tried])
            if picked is None:
                seconds = soonest(standings, self._now())
                return NoPlace("every endpoint is full or at rest after failures", seconds=seconds)
            number, standing = able[picked], standings[picked]
            self._standings[number] = self._with(number, in_flight=standing.in_flight + 1)
            served = self._served[number]
            name = served.endpoint.url or served.endpoint.backend
            among, on_trial = frozenset(able), standing.is_on_trial
            return Place(number, served.endpoint, served.model, name, among=among, on_trial=on_trial)

    def begun(self, place: Place) -> None:
        with self._lock:
            failures, rests_until = stands_begun(self._standings[place.key])
            self._standings[place.key] = self._with(place.key, failures=failures, rests_until=rests_until)

    def give_back(
        self, place: Place, end: Finished | Failed | None, waited: float | None = None, *, hurried: bool = False
    ) -> None:
        with self._lock:
            before = self._standings[place.key]
            failures, rests_until = stands_after(before, end, self._now(), hurried=hurried)
            self._standings[place.key] = self._with(
                place.key, in_flight=before.in_flight - 1, failures=failures, rests_until=rests_until
            )

    def _with(self, number: int, **changes: float) -> Standing:
        return replace(self._standings[number], **changes)  # type: ignore[arg-type]  # each by its own name
