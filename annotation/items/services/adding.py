"""Items that somebody sends as they are, some hundred at a time, without a file."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from django.db import transaction
from django.db.models import Max

from annotation.accounts.services import record_audit
from annotation.common.errors import DocumentError
from annotation.items.changed import tell_items_changed
from annotation.items.importing.shaping import ItemDraft
from annotation.items.models import Candidate, Item, ItemSet, MediaFile
from annotation.items.queries import gold_rules
from annotation.items.services.import_runs import rows_of_draft


class ItemsRefusedError(DocumentError):
    """Some of the items cannot come in, so none does. `problems` are (which of them, what is wrong)."""


class ItemsDifferError(ItemsRefusedError):
    """Items with these ids are there, with other content."""

    status = 409


@dataclass(frozen=True, slots=True)
class Added:
    """An item that was sent: its row, and whether it is new."""

    external_id: str
    pk: UUID
    new: bool


def add_items(*, item_set: ItemSet, drafts: Sequence[ItemDraft], actor: str, now: datetime) -> list[Added]:
    """Put the items into the set, behind those that are there, all of them or none. One that is there already with the
    same content changes nothing; `ItemsDifferError` where its content is another. Drafts name media by the SHA-256 of
    files that the set has."""
    _refuse_doubles(drafts)
    _refuse_wrong_gold(item_set, drafts)
    with transaction.atomic():
        # one at a time per set: ordinals without gaps, and two that send the same id at once
        locked = ItemSet.objects.select_for_update().get(pk=item_set.pk)
        there = _there(locked, drafts)
        fresh = [draft for draft in drafts if draft.external_id not in there]
        last = Item.objects.filter(item_set=locked).aggregate(last=Max("ordinal"))["last"]
        ids = {sha256: str(pk) for sha256, pk in MediaFile.objects.filter(item_set=locked).values_list("sha256", "pk")}
        made = {}
        candidates: list[Candidate] = []
        for ordinal, draft in enumerate(fresh, 0 if last is None else last + 1):
            item, its_candidates = rows_of_draft(draft, None, ordinal, ids, now)
            item.item_set = locked
            made[draft.external_id] = item
            candidates += its_candidates
        Item.objects.bulk_create(made.values(), batch_size=500)
        Candidate.objects.bulk_create(candidates, batch_size=1_000)
        if made:
            details = {"set": locked.name, "items": len(made)}
            record_audit(actor=actor, action="items.add", subject=f"item set {locked.pk}", now=now, details=details)
            tell_items_changed(locked)
    new = {external_id: item.pk for external_id, item in made.items()}
    ids_of = there | new
    return [Added(one.external_id, ids_of[one.external_id], one.external_id in new) for one in drafts]


def _refuse_doubles(drafts: Sequence[ItemDraft]) -> None:
    seen: set[str] = set()
    for number, draft in enumerate(drafts):
        if draft.external_id in seen:
            raise ItemsRefusedError([(f"items.{number}.external_id", f"{draft.external_id} stands there twice")])
        seen.add(draft.external_id)


def _refuse_wrong_gold(item_set: ItemSet, drafts: Sequence[ItemDraft]) -> None:
    rules = gold_rules(item_set)
    wrong = [
        (f"items.{number}.gold.{name}", text)
        for number, draft in enumerate(drafts)
        for name, text in rules.problems(draft.gold, len(draft.candidates))
    ]
    if wrong:
        raise ItemsRefusedError(wrong)


def _there(item_set: ItemSet, drafts: Sequence[ItemDraft]) -> dict[str, UUID]:
    """External id → row, of those that are there with the same content."""
    known = Item.objects.filter(item_set=item_set, external_id__in=[draft.external_id for draft in drafts])
    rows = {external: (pk, sha256) for external, pk, sha256 in known.values_list("external_id", "pk", "row_sha256")}
    differing = [
        (f"items.{number}.external_id", f"{draft.external_id} is there already, with other content")
        for number, draft in enumerate(drafts)
        if draft.external_id in rows and rows[draft.external_id][1] != draft.sha256()
    ]
    if differing:
        raise ItemsDifferError(differing)
    return {external: pk for external, (pk, _) in rows.items()}
