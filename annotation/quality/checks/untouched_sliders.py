"""`untouched_sliders`: sliders that stand where they started.

Only sliders with a start are looked at: one without a start is unanswered until it is moved. Flagged where at least
half of at least four such sliders were answered without having been touched."""

from collections.abc import Iterator, Sequence
from typing import ClassVar

from annotation.quality.checks.base import Finding, Person, Stored

THRESHOLD = 0.5
FEWEST = 4


class UntouchedSliders:
    name: ClassVar[str] = "untouched_sliders"
    version: ClassVar[str] = "1"
    title: ClassVar[str] = "Sliders left where they started"

    def look(self, people: Sequence[Person]) -> Iterator[Finding]:
        for person in people:
            touched = [touch for stored in _all(person) for touch in _touches(stored)]
            if len(touched) >= FEWEST and (share := touched.count(False) / len(touched)) >= THRESHOLD:
                details = {"untouched": touched.count(False), "sliders": len(touched)}
                yield Finding(person.id, round(share, 3), THRESHOLD, details=details)


def _all(person: Person) -> Iterator[Stored]:
    yield from person.profile.values()
    for judged in person.judged:
        for targets in judged.answers.values():
            yield from targets.values()


def _touches(stored: Stored) -> list[bool]:
    """Whether each answered slider of a question was touched, where the question says so."""
    touched = stored["details"].get("touched")
    if stored["missing"] or touched is None:
        return []
    if isinstance(touched, bool):
        return [touched]
    rows = stored["value"] if isinstance(stored["value"], dict) else {}
    return [key in touched for key, number in rows.items() if number is not None]
