"""The step kind *comparisons*, as the way through the steps knows it."""

from django.urls import reverse

from annotation.assignments.queries import tally_of
from annotation.judgements.queries import wanted_count
from annotation.participation.models import Participation
from annotation.studies.document.comparisons import ComparisonsStep


class ComparisonsStepKind:
    """Cards, one after another, at one address."""

    def url(self, participation: Participation, step: ComparisonsStep, index: int) -> str:
        return reverse("judgements:card", args=[participation.pk, step.name])

    def progress(self, participation: Participation, step: ComparisonsStep) -> float:
        wanted = wanted_count(participation, step)
        return min(tally_of(participation, step.name).done / wanted, 1.0) if wanted else 0.0
