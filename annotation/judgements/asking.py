"""What is asked about an assignment: the questions of its protocol, each with the slot or the whole it is about.

A question about the candidate in slot A has the prefix `A-<name>`, one about the whole item its name alone."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING, Any

from django.utils.translation import gettext_lazy as _

from annotation.assignments.models import Assignment, Presentation
from annotation.judgements.choice import Ask, AskKind, Decision, decide
from annotation.participation.queries import stored_answers
from annotation.studies.document import StudyDocument
from annotation.studies.document.protocols import Choice, Protocol
from annotation.studies.document.steps import AfterBlock, ConversationsStep
from annotation.studies.forms import Asked, QuestionForm
from annotation.studies.questions.base import AboutCandidates, Fields, Question, Subject
from annotation.studies.texts import in_language

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
    before: tuple[str, ...] = ()


def asking_of(document: StudyDocument, name: str, stratum: str = "") -> Asking:
    """What the assignment's `protocol` names in the document, as it is put to people of that stratum."""
    if protocol := document.protocols.get(name):
        before, per_candidate, about_item = (
            tuple(asked for asked in part if protocol.asks(asked, stratum))
            for part in (protocol.before, protocol.per_candidate, protocol.about_item)
        )
        return Asking(per_candidate, about_item, protocol.choice, before)
    return Asking((), after_block(document, name).questions, None)


def asked_of(document: StudyDocument, assignment: Assignment) -> Asking:
    """What this place's annotator is asked. Where the step has no strata, and in a talk, their pool counts."""
    person = assignment.participation
    pool = (person.pool if person is not None else "") or next(iter(document.pools), "")
    return asking_of(document, assignment.protocol, assignment.stratum or pool)


def waits_for_before(document: StudyDocument, assignment: Assignment, presentation: Presentation) -> bool:
    """Whether something is asked before the candidates show, and is not answered yet."""
    return bool(asked_of(document, assignment).before) and not presentation.before


def before_form(
    document: StudyDocument, assignment: Assignment, presentation: Presentation, fields: Fields, language: str
) -> QuestionForm:
    """What is asked before the candidates show: about the item, with no candidate in sight."""
    names = asked_of(document, assignment).before
    asked = [Asked(name, document.questions[name], name) for name in names]
    earlier = _profile(assignment, asked)
    return QuestionForm(asked, fields, f"{presentation.seed}/before", language, earlier)


def _profile(assignment: Assignment, asked: Sequence[Asked]) -> dict[str, Mapping[str, Any]]:
    """What the person said about themself, where a condition may read it."""
    if not any(one.question.show_if for one in asked) or assignment.participation is None:
        return {}
    return stored_answers(assignment.participation)


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
        self.asking = asked_of(self.document, self.assignment)
        self.slots = self.presentation.slots()
        asked = [
            Asked(name, self._about(name, slot), f"{slot}-{name}", target)
            for slot, target in self.slots.items()
            for name in self.asking.per_candidate
        ]
        asked += [Asked(name, self._about(name, *self.slots), name) for name in self.asking.about_item]
        before = {name: targets[""] for name, targets in self.presentation.before.items()}
        earlier = _profile(self.assignment, asked) | before
        self.questions = QuestionForm(asked, self.fields, str(self.presentation.seed), self.language, earlier)

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


def none_offered(protocol: Protocol, language: str) -> dict[str, str] | None:
    """'None is acceptable' as it stands under the candidates, if the protocol has it."""
    rule = protocol.choice.none_acceptable if protocol.choice else None
    if rule is None:
        return None
    words = {"text": in_language(rule.text, language), "reason_text": in_language(rule.reason_text, language)}
    return {"reason": rule.reason, "then": rule.then} | words
