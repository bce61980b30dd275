"""The kinds of steps. Each is one class, here by its dotted path, so that a step kind can live in a higher app."""

from functools import cache
from typing import Any, Protocol

from django.utils.module_loading import import_string

from annotation.participation.models import Participation
from annotation.studies.document import StudyDocument
from annotation.studies.queries import document_of

STEP_KINDS = {
    "consent": "annotation.participation.step_kinds.ConsentStepKind",
    "questionnaire": "annotation.participation.step_kinds.QuestionnaireStepKind",
    "training": "annotation.participation.step_kinds.TrainingStepKind",
    "comparisons": "annotation.judgements.step.ComparisonsStepKind",
    "conversations": "annotation.conversations.step.ConversationsStepKind",
    "debrief": "annotation.participation.step_kinds.DebriefStepKind",
}


class StepKind(Protocol):
    """What a step kind gives. `step` is the step in the document, `index` its place there."""

    def url(self, participation: Participation, step: Any, index: int) -> str:
        """Where the person goes on inside this step."""

    def progress(self, participation: Participation, step: Any) -> float:
        """How much of the step is done, from 0 to 1."""


@cache
def step_kind(kind: str) -> StepKind:
    made: StepKind = import_string(STEP_KINDS[kind])()
    return made


def steps_to_do(document: StudyDocument) -> int:
    """How many steps lead to the end: a closing debrief is shown on the end page itself."""
    return len(document.steps) - (document.steps[-1].kind == "debrief" and len(document.steps) > 1)


def steps_for(participation: Participation) -> list[int]:
    """The places of the steps that this person meets on the way to the end: those of other pools are left out."""
    document = document_of(participation.version)
    steps = enumerate(document.steps[: steps_to_do(document)])
    return [index for index, step in steps if not step.pools or participation.pool in step.pools]


def step_after(participation: Participation, index: int) -> int:
    """The place of the step that this person meets next; behind the last one where there is none."""
    following = (place for place in steps_for(participation) if place > index)
    return next(following, steps_to_do(document_of(participation.version)))


def current_step(participation: Participation) -> Any:
    """The step in which the person is."""
    steps = document_of(participation.version).steps
    return steps[min(participation.step, len(steps) - 1)]


def step_named(participation: Participation, name: str) -> tuple[int, Any] | None:
    """The step with that name and its place in the document."""
    steps = document_of(participation.version).steps
    return next(((index, step) for index, step in enumerate(steps) if step.name == name), None)
