"""What every check fulfils. A check is one file here, one line in the registry and its name in the study's document
(`checks: […]`).

A check looks at everything that one study's people did and yields what it saw. It is pure: bundles in, findings out; it
asks no database and decides nothing."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, ClassVar, Protocol
from uuid import UUID

from annotation.studies.document import StudyDocument

Stored = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Judged:
    """One judgement that counts (a corrected one does not), with what the checks read of its place.

    `answers`: question → target → stored answer; `order`: candidate ids as they were shown; `drawn`: out of which tied
    candidates the chosen one was drawn, or "none" where none was acceptable; `twin`: the judgement of which this is the
    planned repeat."""

    id: UUID
    step: str
    protocol: str
    item: UUID
    answers: Mapping[str, Mapping[str, Stored]]
    chosen: UUID | None
    order: tuple[str, ...]
    gold: Mapping[str, Any]
    timings: Mapping[str, Any]
    positions: Mapping[str, int]
    drawn: frozenset[str] = frozenset()
    twin: UUID | None = None

    @property
    def seconds(self) -> float | None:
        """From showing to submitting, as the page measured it."""
        ms = self.timings.get("submit_ms")
        return ms / 1000 if isinstance(ms, int) and ms > 0 else None


@dataclass(frozen=True, slots=True)
class Visited:
    """A questionnaire page that was submitted."""

    step: str
    page: int
    seconds: float | None
    pastes: int


@dataclass(frozen=True, slots=True)
class Person:
    """What one person did, in order."""

    id: UUID
    document: StudyDocument
    judged: Sequence[Judged] = ()
    visited: Sequence[Visited] = ()
    profile: Mapping[str, Stored] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Finding:
    """What a check saw: of whom, at what, which number, beyond which threshold."""

    person: UUID
    value: float | None
    threshold: float | None
    subject: str = ""
    details: Mapping[str, Any] = field(default_factory=dict)


class Check(Protocol):
    """One check. `version` changes when its method does, so that a flag says how it came about."""

    name: ClassVar[str]
    version: ClassVar[str]
    title: ClassVar[str]

    def look(self, people: Sequence[Person]) -> Iterator[Finding]:
        """Everything that is worth a researcher's look."""
