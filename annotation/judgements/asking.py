"""What is asked about an assignment: the questions of its protocol, each with the slot or the whole it is about.

A question about the candidate in slot A has the prefix `A-<name>`, one about the whole item its name alone."""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING

from django.utils.translation import gettext_lazy as _

from annotation.assignments.models import Assignment, Presentation
from annotation.judgements.choice import Ask, AskKind, Decision, decide
from annotation.studies.document import StudyDocument
from annotation.studies.document.protocols import Choice
from annotation.studies.document.steps import AfterBlock, ConversationsStep
from annotation.studies.forms import Asked, QuestionForm
from annotation.studies.questions.base import AboutCandidates, Fields, Question, Subject

WHAT_IS_WRONG: dict[AskKind, StrOrPromise] = {
    "tie": _("These are tied: which one continues?"),
    "all_equal": _("You gave every answer the same score. Change some of them, or save again if you are sure."),
    "pick": _("Choose the answer that you like best."),
    "none_reason": _("Say in a few words why none of them is acceptable."),
    "no_score": _("Rate at least one answer."),
}
# where the focus goes
FIELD_OF: dict[AskKind, str] = {
    "tie": "chosen",
    "all_equal": "answer-A",
    "pick": "answer-A",
    "none_reason": "none-reason",
    "no_score": "answer-A",
}


if TYPE_CHECKING:
    from django_stubs_ext import StrOrPromise


@dataclass(frozen=True, slots=True)
class Asking:
    """The questions of a protocol, or of a block after a talk (which has no candidates' questions and no choice)."""

    per_candidate: tuple[str, ...]
    about_item: tuple[str, ...]
    choice: Choice | None


def asking_of(document: StudyDocument, name: str, stratum: str = "") -> Asking:
    """What the assignment's `protocol` names in the document, as it is put to people of that stratum."""
    if protocol := document.protocols.get(name):
        per_candidate = tuple(asked for asked in protocol.per_candidate if protocol.asks(asked, stratum))
        about_item = tuple(asked for asked in protocol.about_item if protocol.asks(asked, stratum))
        return Asking(per_candidate, about_item, protocol.choice)
    return Asking((), after_block(document, name).questions, None)


def after_block(document: StudyDocument, name: str) -> AfterBlock:
    """The block after a talk with that name; document checks make the names unique."""
    steps = (step for step in document.steps if isinstance(step, ConversationsStep))
    return next(block for step in steps for block in step.after if block.name == name)


@dataclass
class JudgementForm:
    """The form of one assignment, as it was shown to this person. Call `is_valid()`, then read `questions.stored()`
    and `decision`, or `errors` and `ask`."""

    assignment: Assignment
    presentation: Presentation
    document: StudyDocument
    fields: Fields
    language: str
    decision: Decision | None = None
    ask: Ask | None = None
    questions: QuestionForm = field(init=False)

    def __post_init__(self) -> None:
        self.asking = asking_of(self.document, self.assignment.protocol, self.assignment.stratum)
        self.slots = self.presentation.slots()
        asked = [
            Asked(name, self._about(name, slot), f"{slot}-{name}", target)
            for slot, target in self.slots.items()
            for name in self.asking.per_candidate
        ]
        asked += [Asked(name, self._about(name, *self.slots), name) for name in self.asking.about_item]
        self.questions = QuestionForm(asked, self.fields, str(self.presentation.seed), self.language)

    def _about(self, name: str, *slots: str) -> Question:
        question = self.document.questions[name]
        if not isinstance(question, AboutCandidates):
            return question
        shown = self._shown
        own = {slot: shown.slots[slot] for slot in slots}
        draft = str(self.assignment.item.context.get("drafts", {}).get(name, ""))
        return question.about(Subject(own, {slot: shown.texts[slot] for slot in slots}, shown.source, draft))

    @cached_property
    def _shown(self) -> Subject:
        """Everything that is shown, with its texts."""
        item = self.assignment.item
        texts = {str(candidate.pk): candidate.text for candidate in item.candidates.all()}
        source = "\n\n".join(document["text"] for document in item.context.get("documents", ()))
        return Subject(self.slots, {slot: texts[pk] for slot, pk in self.slots.items()}, source)

    def is_valid(self) -> bool:
        """Read every answer, and what follows from them about the choice."""
        valid = self.questions.is_valid()
        if self.asking.choice and valid:
            outcome = decide(
                self.asking.choice,
                slots=list(self.slots),
                values=self._choice_values(),
                fields=self.fields,
                seed=self.presentation.seed,
            )
            self.decision = outcome if isinstance(outcome, Decision) else None
            self.ask = outcome if isinstance(outcome, Ask) else None
        return valid and self.ask is None

    def _choice_values(self) -> dict[str, object]:
        name = self.asking.choice.source if self.asking.choice else ""
        answers = self.questions.answers
        return {slot: answers[name, target].value for slot, target in self.slots.items() if (name, target) in answers}

    @property
    def choice_errors(self) -> dict[str, str]:
        """Field → what has to be said before there is a choice."""
        return {} if self.ask is None else {FIELD_OF[self.ask.kind]: str(WHAT_IS_WRONG[self.ask.kind])}

    @property
    def errors(self) -> dict[str, str]:
        """Field → what is wrong, the choice's included."""
        return self.questions.errors | self.choice_errors
