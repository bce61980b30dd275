"""`straight_lining`: the same number everywhere.

Two things are looked at, each as the share of places without any variation: matrices of a questionnaire (rows that all
have the same number), and judgements whose per-candidate ratings are all equal. Flagged where at least four of every
five places that could vary do not, out of at least three."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, ClassVar

from annotation.quality.checks.base import Finding, Person

THRESHOLD = 0.8
FEWEST_PLACES = 3
FEWEST_NUMBERS = 3


class StraightLining:
    name: ClassVar[str] = "straight_lining"
    version: ClassVar[str] = "1"
    title: ClassVar[str] = "The same number everywhere"

    def look(self, people: Sequence[Person]) -> Iterator[Finding]:
        for person in people:
            flat = [len(set(numbers)) == 1 for numbers in _places(person)]
            if len(flat) >= FEWEST_PLACES and (share := sum(flat) / len(flat)) >= THRESHOLD:
                yield Finding(person.id, round(share, 3), THRESHOLD, details={"flat": sum(flat), "places": len(flat)})


def _places(person: Person) -> Iterator[list[float]]:
    """The numbers of every place that has enough of them."""
    for stored in person.profile.values():
        if len(numbers := _numbers(stored["value"])) >= FEWEST_NUMBERS:
            yield numbers
    for judged in person.judged:
        for targets in judged.answers.values():
            rated = [number for target, stored in targets.items() if target for number in _numbers(stored["value"])]
            grid = _numbers(targets[""]["value"]) if "" in targets else []
            for numbers in (rated, grid):
                if len(numbers) >= FEWEST_NUMBERS:
                    yield numbers


def _numbers(value: Any) -> list[float]:
    """The numbers in a stored value: one, a row of them, or a grid."""
    if isinstance(value, Mapping):
        return [number for part in value.values() for number in _numbers(part)]
    return [float(value)] if isinstance(value, int | float) and not isinstance(value, bool) else []
