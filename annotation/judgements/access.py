"""Who stands where: somebody in a step of comparisons, and the place whose card an address names."""

from dataclasses import dataclass
from uuid import UUID

from django.http import HttpRequest

from annotation.assignments.models import Assignment
from annotation.common.errors import NotFoundError
from annotation.judgements.queries import comparisons_step, place_of
from annotation.participation.access import has_full_trust, participation_for
from annotation.participation.models import Participation
from annotation.participation.steps import step_named
from annotation.studies.document.comparisons import ComparisonsStep


class ElsewhereError(Exception):
    """The person is at another place than this address; they are led there."""

    def __init__(self, participation: Participation) -> None:
        super().__init__("elsewhere")
        self.participation = participation


@dataclass(frozen=True, slots=True)
class Here:
    """Somebody in a step of comparisons. `trusted`: what they typed before may be shown to this session."""

    participation: Participation
    step: ComparisonsStep
    trusted: bool


def here(request: HttpRequest, pid: UUID, step: str) -> Here:
    """The person and the step that the address names. Raises `NotFoundError` where this session does not hold the
    participation or there is no such step, `ElsewhereError` where they are not in it (any more)."""
    participation = participation_for(request, pid)
    found, known = step_named(participation, step), comparisons_step(participation.version, step)
    if found is None or known is None:
        raise NotFoundError("There is no such page.")
    if participation.state != Participation.State.ACTIVE or participation.step != found[0]:
        raise ElsewhereError(participation)
    return Here(participation, known, has_full_trust(request, participation))


def own_place(here: Here, pk: UUID) -> Assignment:
    """The person's place in this step, whatever became of it; anybody else's does not exist."""
    place = place_of(here.participation, here.step.name, pk)
    if place is None:
        raise NotFoundError("There is nothing to judge here.")
    return place
