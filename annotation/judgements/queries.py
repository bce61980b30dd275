"""Reads about comparisons: where a person is in such a step."""

from uuid import UUID

from django.core.cache import cache

from annotation.assignments.models import Assignment
from annotation.assignments.queries import held_by, rows_of
from annotation.assignments.showable import count_placed
from annotation.judgements.models import Judgement
from annotation.participation.models import Participation
from annotation.studies.document.comparisons import ComparisonsStep
from annotation.studies.models import StudyVersion
from annotation.studies.queries import document_of

# counting a large set is not worth a query a card
COUNT_HOLDS_S = 60


def comparisons_step(version: StudyVersion, name: str) -> ComparisonsStep | None:
    """The comparisons step of that name; `None` where the document has no such step."""
    steps = document_of(version).steps
    return next((step for step in steps if isinstance(step, ComparisonsStep) and step.name == name), None)


def held_place(participation: Participation, step: str) -> Assignment | None:
    """The place that is on the person's screen, with everything that its card shows."""
    held = held_by(participation, step).filter(ahead=False)
    return held.prefetch_related("item__candidates").first()


def place_of(participation: Participation, step: str, pk: UUID) -> Assignment | None:
    """A place of the person in the step, whatever became of it."""
    places = rows_of(participation, step).exclude(state=Assignment.State.OPEN).filter(ahead=False)
    return (
        places.select_related("presentation", "version", "item")
        .prefetch_related("item__candidates")
        .filter(pk=pk)
        .first()
    )


def wanted_count(participation: Participation, step: ComparisonsStep) -> int:
    """How many judgements the step takes from one person at most: the document's number, or what its set gives. Gold
    and repeats come on top."""
    key = f"items-of/{participation.version_id}/{step.name}/{participation.rehearsal}"
    items = cache.get(key)
    if items is None:
        items = count_placed(participation.version, step, rehearsal=participation.rehearsal)
        cache.set(key, items, COUNT_HOLDS_S)
    there: int = items * len(step.protocol)
    return there if step.per_person.max is None else min(step.per_person.max, there)


def last_judgement(participation: Participation, step: str) -> Judgement | None:
    """What the person said last in the step, as it was corrected."""
    rows = Judgement.objects.filter(participation=participation, assignment__step=step, replaced_by__isnull=True)
    return rows.select_related("assignment__version", "participation").order_by("-submitted_at", "-pk").first()
