"""Writes about places for judgements."""

import random
import uuid
from collections.abc import Sequence
from datetime import datetime

from annotation.assignments.models import Assignment, Presentation
from annotation.common.errors import ConflictError
from annotation.items.models import Candidate, Item
from annotation.participation.models import Participation


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
    *, assignment: Assignment, order: list[str], seed: int, reveal: str, now: datetime
) -> Presentation:
    """Fix a showing in a given order, such as the one in which the same candidates were shown before."""
    return Presentation.objects.create(assignment=assignment, order=order, seed=seed, reveal=reveal, created_at=now)


def close_assignment(*, assignment_id: uuid.UUID, now: datetime) -> None:
    """The place is judged (*leased → done*). Raises `ConflictError` where it is not open for judging."""
    leased = Assignment.objects.filter(pk=assignment_id, state=Assignment.State.LEASED)
    if leased.update(state=Assignment.State.DONE, done_at=now) != 1:
        raise ConflictError("This has been answered already, or is not open any more.")


def skip_assignment(*, assignment_id: uuid.UUID) -> None:
    """The place will not be judged: what was to be judged never came about, or was left."""
    Assignment.objects.filter(pk=assignment_id, state=Assignment.State.LEASED).update(state=Assignment.State.SKIPPED)
