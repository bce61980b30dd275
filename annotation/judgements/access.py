"""Who stands where: somebody in a step of comparisons, and the place whose card an address names."""

from uuid import UUID

from django.http import HttpRequest
from django.utils.translation import gettext as _

from annotation.assignments.models import Assignment
from annotation.common.errors import NotFoundError
from annotation.judgements.queries import place_of
from annotation.participation.access import InStep, in_step
from annotation.studies.document.comparisons import ComparisonsStep

Here = InStep[ComparisonsStep]


def here(request: HttpRequest, pid: UUID, step: str) -> Here:
    """Somebody in a step of comparisons. Raises as `in_step` does."""
    return in_step(request, pid, step, ComparisonsStep)


def own_place(here: Here, pk: UUID) -> Assignment:
    """The person's place in this step, whatever became of it; anybody else's does not exist."""
    place = place_of(here.participation, here.step.name, pk)
    if place is None:
        raise NotFoundError(_("There is nothing to judge here."))
    return place
