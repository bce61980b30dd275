"""A training step: where somebody is in it, the quiz as a form, and what its answers are worth."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from annotation.participation.models import Participation, TrainingAttempt
from annotation.studies.document import StudyDocument
from annotation.studies.document.training import TrainingStep
from annotation.studies.forms import Asked, QuestionForm
from annotation.studies.questions.base import Fields


@dataclass(frozen=True, slots=True)
class Standing:
    """How far somebody is with a quiz. `last`: their latest try."""

    last: TrainingAttempt | None
    used: int
    allowed: int

    @property
    def passed(self) -> bool:
        return self.last is not None and self.last.passed

    @property
    def is_over(self) -> bool:
        """Whether nothing can be tried any more."""
        return self.passed or self.used >= self.allowed

    @property
    def left(self) -> int:
        return max(self.allowed - self.used, 0)


def standing(participation: Participation, step: TrainingStep) -> Standing:
    tries = TrainingAttempt.objects.filter(participation=participation, step=step.name).order_by("-number")
    last = tries.first()
    return Standing(last, last.number if last else 0, step.attempts)


def quiz_form(
    participation: Participation, document: StudyDocument, step: TrainingStep, number: int, fields: Fields
) -> QuestionForm:
    """The quiz of one try; a new try has an order of its own."""
    return QuestionForm(
        asked=[Asked(one.question, document.questions[one.question], one.question) for one in step.quiz],
        fields=fields,
        seed=f"{participation.seed}/{step.name}/{number}",
        language=participation.language,
    )


def marked(step: TrainingStep, form: QuestionForm) -> dict[str, bool]:
    """Question → whether it was answered rightly."""
    return {one.question: is_right(form.answers[one.question, ""].value, one.correct) for one in step.quiz}


def is_right(value: Any, correct: tuple[Any, ...]) -> bool:
    """Whether an answer is one of the right ones; of several choices the order does not count."""
    return value is not None and _plain(value) in [_plain(one) for one in correct]


def score_of(right: Mapping[str, bool]) -> float:
    """The share of right answers; all of nothing where nothing is asked."""
    return sum(right.values()) / len(right) if right else 1.0


def _plain(value: Any) -> Any:
    if isinstance(value, list | tuple):
        return sorted((str(part) for part in value), key=str)
    # a document may write a choice as a number; a truth value is no number
    return str(value) if isinstance(value, str | int | float) and not isinstance(value, bool) else value
