"""What is shown in a place, and places for what came out of a talk."""

import random
import uuid
from collections.abc import Sequence
from datetime import datetime
from string import ascii_uppercase

from django.db.models import prefetch_related_objects
from django.utils.translation import gettext as _

from annotation.assignments.models import Assignment, Presentation
from annotation.assignments.orders import balanced_order
from annotation.assignments.strata import places_before
from annotation.common.errors import ConflictError
from annotation.common.seeds import derive_seed
from annotation.items.models import Candidate, Item
from annotation.participation.models import Participation
from annotation.studies.document.comparisons import ComparisonsStep
from annotation.studies.queries import document_of
from annotation.studies.questions.candidates import SLOT
from annotation.studies.texts import in_language


def assign_to_author(
    *, item: Item, protocol: str, participation: Participation, now: datetime, leased_until: datetime | None = None
) -> Assignment:
    """Make the one place for an item that came out of this person's own talk, leased to them from the start."""
    return Assignment.objects.create(
        study=participation.study,
        version=participation.version,
        item=item,
        protocol=protocol,
        reason=Assignment.Reason.LIVE,
        rehearsal=participation.rehearsal,
        state=Assignment.State.LEASED,
        participation=participation,
        leased_until=leased_until,
        created_at=now,
    )


def present_candidates(
    *, assignment: Assignment, candidates: Sequence[Candidate], shuffled: bool, seed: int, reveal: str, now: datetime
) -> Presentation:
    """Fix which slot letter each candidate is shown under, for good."""
    order = [str(candidate.pk) for candidate in candidates]
    if shuffled:
        random.Random(seed).shuffle(order)
    return present_in_order(assignment=assignment, order=order, seed=seed, reveal=reveal, now=now)


def present_in_order(
    *, assignment: Assignment, order: list[str], seed: int, reveal: str, now: datetime, labels: Sequence[str] = ()
) -> Presentation:
    """Fix a showing in a given order, such as the one in which the same candidates were shown before. `labels` stand
    above the slots, where the document gives them."""
    return Presentation.objects.create(
        assignment=assignment, order=order, labels=list(labels), seed=seed, reveal=reveal, created_at=now
    )


def show(*, place: Assignment, step: ComparisonsStep, now: datetime) -> Presentation:
    """Fix the order of a leased place's candidates: shuffled from the person's seed, as they stand, or each order
    equally often; a swapped repeat turns round what the person saw first. Candidates are loaded with the place."""
    prefetch_related_objects([place], "item__candidates")
    person = place.participation
    assert person is not None  # noqa: S101 - it is leased
    seed = derive_seed(person.seed, place.step, place.item_id, place.protocol, place.repeat)
    order = [str(candidate.pk) for candidate in place.item.candidates.all()]
    protocol = document_of(place.version).protocols[place.protocol]
    rule = protocol.order
    first = _first_showing(place) if place.repeat else None
    if first is not None:
        swapped = place.reason == Assignment.Reason.REPEAT and step.repeat is not None and step.repeat.swapped
        order = first.order[::-1] if swapped else list(first.order)
    elif rule == "shuffled":
        random.Random(seed).shuffle(order)
    elif rule == "balanced":
        order = balanced_order(order, _number(place, person, step))
    words = in_language(protocol.label, person.language)
    labels = [words.replace(SLOT, slot) for slot in ascii_uppercase[: len(order)]] if words else []
    place.presentation = present_in_order(assignment=place, order=order, seed=seed, reveal="", now=now, labels=labels)
    return place.presentation


def _first_showing(place: Assignment) -> Presentation | None:
    """How this person saw the same candidates before, if they are still the same."""
    shown = Presentation.objects.filter(
        assignment__item=place.item_id,
        assignment__protocol=place.protocol,
        assignment__participation=place.participation_id,
        assignment__state=Assignment.State.DONE,
    )
    first = shown.order_by("assignment__repeat").first()
    now = {str(candidate.pk) for candidate in place.item.candidates.all()}
    return first if first is not None and set(first.order) == now else None


def _number(place: Assignment, person: Participation, step: ComparisonsStep) -> int:
    """Which of its item's places this is, or, for what is made for one person, when they arrived. Every item begins one
    further, so that orders are balanced over the places of an item and, in each stratum, over items."""
    # items that were made of one have the same place in the set
    derived = "item" in place.item.made_from
    before = derive_seed(place.item_id, "first order") if derived else place.item.ordinal
    if place.stratum not in step.overlap or place.reason in {Assignment.Reason.GOLD, Assignment.Reason.REPEAT}:
        return before + person.ordinal
    return before + places_before(step, place.stratum, place.wave) + place.copy


def close_assignment(*, assignment_id: uuid.UUID, now: datetime) -> None:
    """The place is judged (*leased → done*). Raises `ConflictError` where it is not open for judging."""
    leased = Assignment.objects.filter(pk=assignment_id, state=Assignment.State.LEASED)
    if leased.update(state=Assignment.State.DONE, done_at=now) != 1:
        raise ConflictError(_("This has been answered already, or is not open any more."))


def skip_assignment(*, assignment_id: uuid.UUID) -> None:
    """The place will not be judged: what was to be judged never came about, or was left."""
    Assignment.objects.filter(pk=assignment_id, state=Assignment.State.LEASED).update(state=Assignment.State.SKIPPED)
