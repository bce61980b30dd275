"""Places that are made for one person when their turn comes: items with a known answer, and repeats."""

import random
from datetime import datetime

from django.db.models import Max

from annotation.assignments.models import Assignment
from annotation.assignments.queries import not_had_as
from annotation.assignments.routing import protocols_in_turn
from annotation.assignments.showable import showable
from annotation.common.seeds import derive_seed
from annotation.items.models import Item
from annotation.participation.models import Participation
from annotation.studies.document.comparisons import ComparisonsStep


def gold_place(
    *, participation: Participation, step: ComparisonsStep, stratum: str, now: datetime
) -> Assignment | None:
    """A place (not saved) for an item with a known answer that this person has not had; which one follows from their
    seed. It takes no place from anybody: everybody may judge every gold item."""
    protocol = protocols_in_turn(participation, step)[0]
    items = showable(participation.version, step, rehearsal=participation.rehearsal)
    left = (
        items.exclude(gold={})
        .filter(not_had_as(protocol, participation, step.name))
        .exclude(author_id=participation.pk)
    )
    ids = list(left.order_by("ordinal", "pk").values_list("pk", flat=True))
    if not ids:
        return None
    seed = derive_seed(participation.seed, step.name, "gold", len(ids))
    item = Item.objects.get(pk=random.Random(seed).choice(ids))
    place = _made(participation, item, Assignment.Reason.GOLD, now)
    place.step, place.protocol, place.stratum = step.name, protocol, stratum
    return place


def repeat_of(*, first: Assignment, now: datetime) -> Assignment:
    """A place (not saved) for the same item, protocol and person once more."""
    assert first.participation is not None  # noqa: S101 - it was judged by somebody
    place = _made(first.participation, first.item, Assignment.Reason.REPEAT, now)
    place.step, place.protocol, place.stratum = first.step, first.protocol, first.stratum
    place.repeat = next_repeat(first)
    return place


def next_repeat(first: Assignment) -> int:
    """The number that a further place for the same item, protocol and person has."""
    same = Assignment.objects.filter(item=first.item_id, protocol=first.protocol, participation=first.participation_id)
    return int(same.aggregate(last=Max("repeat"))["last"] or 0) + 1


def _made(participation: Participation, item: Item, reason: Assignment.Reason, now: datetime) -> Assignment:
    return Assignment(
        study_id=participation.study_id,
        version=participation.version,
        item=item,
        reason=reason,
        rehearsal=participation.rehearsal,
        participation=participation,
        created_at=now,
    )
