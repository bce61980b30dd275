"""Items that are made of other items' candidates: pairs of a tournament, triads."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from django.db import transaction

from annotation.items.models import Candidate, Item


@dataclass(frozen=True, slots=True)
class Derived:
    """A new item: its external id (the second time with the same one nothing is made), the candidates that it shows,
    and its place among what is made of the item that it comes from."""

    external_id: str
    candidates: Sequence[Candidate]
    place: dict[str, Any] = field(default_factory=dict)


def derive_items(*, base: Item, wanted: Sequence[Derived], now: datetime) -> list[Item]:
    """Make those of `wanted` that are not there; one that is there with other candidates, as when a judgement was
    changed, gets these as long as nobody was shown it. Candidates are copies that name in their provenance where they
    come from; who wrote the item, wrote them. All items that were wanted come back, in no order."""
    known = Item.objects.filter(item_set=base.item_set_id, external_id__in=[derived.external_id for derived in wanted])
    with transaction.atomic():
        # one at a time per item: the others find what the first has made
        Item.objects.select_for_update(no_key=True).only("pk").get(pk=base.pk)
        there = {item.external_id: item for item in known.prefetch_related("candidates")}
        missing = [derived for derived in wanted if derived.external_id not in there]
        made = [_item(base, derived, now) for derived in missing]
        Item.objects.bulk_create(made)
        for item, derived in zip(made, missing, strict=True):
            _fill(item, derived)
        for derived in wanted:
            if derived.external_id in there:
                _put_right(there[derived.external_id], base, derived)
    return list(known)


def _fill(item: Item, derived: Derived) -> None:
    Candidate.objects.bulk_create(
        _copy(item, position, candidate) for position, candidate in enumerate(derived.candidates)
    )


def _put_right(item: Item, base: Item, derived: Derived) -> None:
    """Give an item that was made before the candidates that it has to have now, unless somebody was shown it."""
    if [_source(one) for one in item.candidates.all()] != [_source(one) for one in derived.candidates]:
        # nobody makes a place for it meanwhile; who is taking one at this moment is waited for, or passes it over
        Item.objects.select_for_update().only("pk").get(pk=item.pk)
        if any(item.assignments.select_for_update().values_list("participation", flat=True)):
            return
        Candidate.objects.filter(item=item).delete()
        _fill(item, derived)
    Item.objects.filter(pk=item.pk).update(made_from=_made_from(base, derived))


def _source(candidate: Candidate) -> str:
    """The candidate that it is a copy of, at the end: its own id where it is no copy."""
    return str(candidate.provenance.get("from_candidate", candidate.pk))


def names_there(base: Sequence[Item], names: Sequence[str]) -> set[str]:
    """Which of these external ids the items' set has already."""
    sets = {item.item_set_id for item in base}
    return set(Item.objects.filter(item_set__in=sets, external_id__in=names).values_list("external_id", flat=True))


def _item(base: Item, derived: Derived, now: datetime) -> Item:
    return Item(
        item_set_id=base.item_set_id,
        origin=base.origin,
        author_id=base.author_id,
        external_id=derived.external_id,
        ordinal=base.ordinal,
        context=base.context,
        tags=base.tags,
        made_from=_made_from(base, derived),
        held=base.held,
        created_at=now,
    )


def _made_from(base: Item, derived: Derived) -> dict[str, Any]:
    return derived.place | {"item": str(base.pk)}


def _copy(item: Item, position: int, candidate: Candidate) -> Candidate:
    source = {"from_item": str(candidate.item_id), "from_candidate": str(candidate.pk)}
    return Candidate(
        item=item,
        position=position,
        state=candidate.state,
        content=candidate.content,
        context=candidate.context,
        # a copy of a copy still names the first one
        provenance=source | candidate.provenance,
        flags=candidate.flags,
        recipe=candidate.recipe,
        pool_entry=candidate.pool_entry,
        served_model_id=candidate.served_model_id,
        request=candidate.request,
        generation_id=candidate.generation_id,
    )
