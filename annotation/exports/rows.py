"""Bundles of stored rows, as layouts get them. Pure values: nothing here asks the database."""

import hashlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from itertools import islice
from typing import Any, TypeVar
from uuid import UUID

from annotation.conversations.models import Conversation, Turn
from annotation.exports.consents import Ticked
from annotation.items.models import Candidate
from annotation.judgements.models import Judgement
from annotation.participation.models import Participation
from annotation.studies.document import StudyDocument
from annotation.studies.questions.choices import ChoiceQuestion
from annotation.studies.questions.rows import RowsQuestion

Stored = Mapping[str, Any]
T = TypeVar("T")
NOT_ASKED: Stored = {"value": None, "missing": "not_shown", "shown_order": None, "details": {}}


@dataclass(frozen=True, slots=True)
class Assessed:
    """What a library, an endpoint or a reader said of a text. Null: nobody did."""

    language: str | None = None
    personal: bool | None = None
    personal_by_hand: bool | None = None
    moderation: Mapping[str, Any] | None = None


NOT_ASSESSED = Assessed()


@dataclass(frozen=True, slots=True)
class PersonRows:
    """A person whose survey is finished: their newest answers up to the cut-off, and what they ticked."""

    participation: Participation
    document: StudyDocument
    answers: Mapping[str, Stored]
    ticked: Ticked
    steps: frozenset[str]
    surveyed_at: datetime

    def answer(self, question: str) -> Stored:
        return self.answers.get(question, NOT_ASKED)

    def offered(self, question: str) -> frozenset[str]:
        """The keys of a question's choices or rows in this person's document."""
        asked = self.document.questions.get(question)
        return frozenset(asked.keys()) if isinstance(asked, ChoiceQuestion | RowsQuestion) else frozenset()

    def statement(self, name: str) -> str | None:
        return next((texts[name] for texts in self.ticked.values() if name in texts), None)


@dataclass(frozen=True, slots=True)
class TurnRows:
    """A judged turn; candidates in the order in which they were shown."""

    turn: Turn
    candidates: tuple[Candidate, ...]
    judgement: Judgement

    @property
    def chosen_id(self) -> UUID | None:
        return self.judgement.chosen_id or self.turn.chosen_id

    def answer(self, question: str, candidate: Candidate) -> Stored:
        found = self.judgement.answers.get(question, {}).get(str(candidate.pk), NOT_ASKED)
        return found if isinstance(found, Mapping) else NOT_ASKED


@dataclass(frozen=True, slots=True)
class TalkRows:
    """A finished conversation: the turns that led to its end, and the answers that were given after it."""

    conversation: Conversation
    document: StudyDocument
    turns: tuple[TurnRows, ...]
    after: Mapping[str, Stored]
    left_out: tuple[TurnRows, ...] = ()


@dataclass(frozen=True, slots=True)
class TalkKey:
    """Where a finished conversation is, without its content."""

    pk: UUID
    person: UUID
    type: str
    imported: Mapping[str, Any]


def chain(turns: Sequence[TurnRows]) -> tuple[tuple[TurnRows, ...], tuple[TurnRows, ...]]:
    """The turns from the opening to the last with a chosen answer, along the parents; and the judged ones beside that
    path, as where none of the answers was acceptable."""
    by_turn = {rows.turn.pk: rows for rows in turns if rows.chosen_id is not None}
    leaf = max(by_turn.values(), key=lambda rows: (rows.turn.number, rows.turn.attempt), default=None)
    path: list[TurnRows] = []
    while leaf is not None:
        path.append(leaf)
        parent = leaf.turn.parent_id
        leaf = by_turn.get(parent) if parent else None
    on_path = {rows.turn.pk for rows in path}
    return tuple(reversed(path)), tuple(rows for rows in turns if rows.turn.pk not in on_path)


def batches(rows: Iterator[T], size: int) -> Iterator[list[T]]:
    while batch := list(islice(rows, size)):
        yield batch


def text_sha256(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()
