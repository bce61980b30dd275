"""`pasted_text`: text that was pasted where the person was asked to write.

Pages count pastes; what was pasted is not looked at. One finding a page or judgement, so that a researcher can read
what stands there."""

from collections.abc import Iterator, Sequence
from typing import ClassVar

from annotation.quality.checks.base import Finding, Person


class PastedText:
    name: ClassVar[str] = "pasted_text"
    version: ClassVar[str] = "1"
    title: ClassVar[str] = "Text was pasted"

    def look(self, people: Sequence[Person]) -> Iterator[Finding]:
        for person in people:
            for judged in person.judged:
                pastes = judged.timings.get("pastes") or 0
                if pastes:
                    yield Finding(person.id, pastes, 0, subject=str(judged.id), details={"step": judged.step})
            for visit in person.visited:
                if visit.pastes:
                    yield Finding(person.id, visit.pastes, 0, subject=f"{visit.step}/{visit.page}")
