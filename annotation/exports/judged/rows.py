"""Bundles of a judged item. Pure values: nothing here asks the database."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

from annotation.assignments.models import Assignment, Presentation
from annotation.exports.rows import NOT_ASKED, Stored
from annotation.items.models import Candidate, Item
from annotation.judgements.models import Judgement
from annotation.participation.models import Participation
from annotation.studies.document import StudyDocument
from annotation.studies.document.protocols import Protocol

Message = dict[str, str]


@dataclass(frozen=True)
class Vote:
    """One judgement of an item, with the place it was given in and what was shown there."""

    judgement: Judgement
    document: StudyDocument
    version: int
    step: str
    presentation: Presentation | None

    @property
    def assignment(self) -> Assignment:
        return self.judgement.assignment

    @property
    def participation(self) -> Participation:
        return self.judgement.participation

    @property
    def protocol(self) -> Protocol | None:
        """None where a block after a talk asked."""
        return self.document.protocols.get(self.judgement.protocol)

    @property
    def is_gold(self) -> bool:
        return self.assignment.reason == Assignment.Reason.GOLD

    @property
    def is_repeat(self) -> bool:
        return self.assignment.repeat > 0

    @property
    def seconds(self) -> float | None:
        """From the form's showing to its submission, as the browser saw it."""
        shown = self.judgement.timings.get("submit_ms")
        return None if shown is None else shown / 1000

    def answer(self, question: str, target: str = "") -> Stored:
        """What was stored; as *not asked* where the form did not have the question."""
        found = self.judgement.answers.get(question, {}).get(target, NOT_ASKED)
        return found if isinstance(found, Mapping) else NOT_ASKED

    def value(self, question: str, target: str = "") -> Any:
        return self.answer(question, target)["value"]

    def before(self, question: str) -> Stored:
        """The answer to what was asked before the candidates showed."""
        asked = self.presentation.before if self.presentation else {}
        found = asked.get(question, {}).get("", NOT_ASKED)
        return found if isinstance(found, Mapping) else NOT_ASKED


@dataclass(frozen=True)
class JudgedItem:
    """An item with its final candidates by position, and its judgements by the time they came.

    `messages` is what stands before the candidates: an item's own, or a talk's up to the answer."""

    item: Item
    candidates: tuple[Candidate, ...]
    votes: tuple[Vote, ...]
    messages: tuple[Message, ...] = ()
    item_set: str = ""
    set_licence: str = ""
    media: Mapping[str, str] = field(default_factory=dict)
    """Id of a media file → its path beside the release."""

    @cached_property
    def ids(self) -> tuple[str, ...]:
        return tuple(str(candidate.pk) for candidate in self.candidates)

    @cached_property
    def by_id(self) -> dict[str, Candidate]:
        return dict(zip(self.ids, self.candidates, strict=True))

    def shown(self, vote: Vote) -> tuple[str, ...]:
        """The candidates' ids in the order in which this person saw them; without a stored showing, by position."""
        order = {pk: number for number, pk in enumerate(vote.presentation.order if vote.presentation else ())}
        return tuple(sorted(self.ids, key=lambda pk: (order.get(pk, len(order)), self.ids.index(pk))))

    @property
    def gold(self) -> bool:
        """Whether its right answer is known."""
        return bool(self.item.gold)
