"""The step kinds that need no models: consent, questionnaire, training, debrief."""

from django.urls import reverse

from annotation.participation.models import Participation
from annotation.studies.document.steps import ConsentStep, DebriefStep, QuestionnaireStep
from annotation.studies.document.training import TrainingStep


class ConsentStepKind:
    """A text with statements to tick."""

    def url(self, participation: Participation, step: ConsentStep, index: int) -> str:
        return reverse("participation:consent", args=[participation.pk, step.name])

    def progress(self, participation: Participation, step: ConsentStep) -> float:
        return 0.0


class QuestionnaireStepKind:
    """Pages of questions. Addresses count pages from 1, as people do."""

    def url(self, participation: Participation, step: QuestionnaireStep, index: int) -> str:
        return reverse("participation:page", args=[participation.pk, step.name, participation.page + 1])

    def progress(self, participation: Participation, step: QuestionnaireStep) -> float:
        return participation.page / len(step.pages)


class TrainingStepKind:
    """Slides, then a quiz. Addresses count pages from 1."""

    def url(self, participation: Participation, step: TrainingStep, index: int) -> str:
        return reverse("participation:training", args=[participation.pk, step.name, participation.page + 1])

    def progress(self, participation: Participation, step: TrainingStep) -> float:
        return participation.page / (len(step.slides) + bool(step.quiz))


class DebriefStepKind:
    """A text between steps. As the last step it stands on the end page."""

    def url(self, participation: Participation, step: DebriefStep, index: int) -> str:
        return reverse("participation:text", args=[participation.pk, step.name])

    def progress(self, participation: Participation, step: DebriefStep) -> float:
        return 0.0
