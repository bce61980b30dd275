"""`speed_mad`: judgements that were far quicker than the study's.

Times are compared by their natural logarithm, because decision times are skewed to the right. A judgement's distance is
its log time minus the median of all log times of its protocol, divided by 1.4826 × the median absolute deviation, which
estimates a standard deviation for normal data (Hampel's identifier; Leys et al., 2013, Journal of Experimental Social
Psychology 49, recommend 2.5 to 3). A person is flagged where the median of their distances lies below −2.5: one quick
answer is no habit."""

from collections import defaultdict
from collections.abc import Iterator, Sequence
from math import log
from statistics import median
from typing import ClassVar

from annotation.quality.checks.base import Finding, Person

THRESHOLD = -2.5
TO_DEVIATION = 1.4826
FEWEST_TIMES = 20
FEWEST_OF_A_PERSON = 3


class SpeedMad:
    name: ClassVar[str] = "speed_mad"
    version: ClassVar[str] = "1"
    title: ClassVar[str] = "Much quicker than the others"

    def look(self, people: Sequence[Person]) -> Iterator[Finding]:
        centres = {protocol: _centre(times) for protocol, times in _log_times(people).items()}
        for person in people:
            distances = [
                (log(judged.seconds) - centre[0]) / centre[1]
                for judged in person.judged
                if judged.seconds and (centre := centres.get(judged.protocol))
            ]
            if len(distances) >= FEWEST_OF_A_PERSON and (typical := median(distances)) < THRESHOLD:
                seconds = median(judged.seconds for judged in person.judged if judged.seconds)
                details = {"median_seconds": round(seconds, 2), "judgements": len(distances)}
                yield Finding(person.id, round(typical, 3), THRESHOLD, details=details)


def _log_times(people: Sequence[Person]) -> dict[str, list[float]]:
    times: dict[str, list[float]] = defaultdict(list)
    for person in people:
        for judged in person.judged:
            if judged.seconds:
                times[judged.protocol].append(log(judged.seconds))
    return times


def _centre(times: Sequence[float]) -> tuple[float, float] | None:
    """Median and scaled deviation; nothing where there are too few times, or no spread to compare with."""
    if len(times) < FEWEST_TIMES:
        return None
    middle = median(times)
    deviation = TO_DEVIATION * median(abs(time - middle) for time in times)
    return (middle, deviation) if deviation > 0 else None
