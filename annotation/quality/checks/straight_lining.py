"""`straight_lining`: the same number everywhere.

Two things are looked at, each as the share of places without any variation: matrices of a questionnaire (rows that all
have the same number), and the ratings of a judgement that are on the same scale, whatever they are about: candidates,
aspects, or both. Flagged where at least four of every five places that could vary do not, out of at least three."""

from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, ClassVar

from annotation.quality.checks.base import Finding, Judged, Person
from annotation.studies.document import StudyDocument
from annotation.studies.questions.confidence import Confidence
from annotation.studies.questions.scales import ends_of

THRESHOLD = 0.8
FEWEST_PLACES = 3
FEWEST_NUMBERS = 3


class StraightLining:
    name: ClassVar[str] = "straight_lining"
    version: ClassVar[str] = "2"
    title: ClassVar[str] = "The same number everywhere"

    def look(self, people: Sequence[Person]) -> Iterator[Finding]:
        for person in people:
            flat = [len(set(numbers)) == 1 for numbers in _places(person) if len(numbers) >= FEWEST_NUMBERS]
            if len(flat) >= FEWEST_PLACES and (share := sum(flat) / len(flat)) >= THRESHOLD:
                yield Finding(person.id, round(share, 3), THRESHOLD, details={"flat": sum(flat), "places": len(flat)})


def _places(person: Person) -> Iterator[list[float]]:
    """The numbers that stand beside each other, place by place."""
    for stored in person.profile.values():
        yield _numbers(stored["value"])
    for judged in person.judged:
        yield from _ratings(judged, person.document).values()


def _ratings(judged: Judged, document: StudyDocument) -> Mapping[object, list[float]]:
    """Scale → everything that was rated on it. What has no scale stands alone."""
    rated: dict[object, list[float]] = defaultdict(list)
    for name, targets in judged.answers.items():
        question = document.questions.get(name)
        if isinstance(question, Confidence):
            continue
        ends = ends_of(question) if question else (None, None)
        scale = name if None in ends else ends
        rated[scale] += [number for stored in targets.values() for number in _numbers(stored["value"])]
    return rated


def _numbers(value: Any) -> list[float]:
    """The numbers in a stored value: one, a row of them, or a grid."""
    if isinstance(value, Mapping):
        return [number for part in value.values() for number in _numbers(part)]
    return [float(value)] if isinstance(value, int | float) and not isinstance(value, bool) else []
