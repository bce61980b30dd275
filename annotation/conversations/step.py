"""The step kind *conversations*, as the way through the steps knows it."""

from django.urls import reverse

from annotation.conversations.queries import finished_count
from annotation.participation.models import Participation
from annotation.studies.document.steps import ConversationsStep


class ConversationsStepKind:
    """Live talks, one after another, at one address."""

    def url(self, participation: Participation, step: ConversationsStep, index: int) -> str:
        return reverse("conversations:talk", args=[participation.pk, step.name])

    def progress(self, participation: Participation, step: ConversationsStep) -> float:
        return finished_count(participation, step.name) / step.count
