"""Writes about item sets as a whole."""

from datetime import datetime

from django.db import transaction
from django.db.models import QuerySet

from annotation.accounts.services import record_audit
from annotation.items.changed import tell_items_changed
from annotation.items.models import Item, ItemSet


def release_items(*, items: QuerySet[Item], actor: str, now: datetime) -> int:
    """Let people see items that were held back. What was found about their candidates stays written there."""
    held = items.exclude(held="")
    with transaction.atomic():
        ids = list(held.values_list("pk", flat=True))
        sets = ItemSet.objects.filter(items__in=ids).distinct()
        for one in sets:
            details = {"set": one.name, "items": held.filter(item_set=one).count()}
            record_audit(actor=actor, action="items.release", subject=f"item set {one.pk}", now=now, details=details)
        touched = list(sets)
        Item.objects.filter(pk__in=ids).update(held="")
        for one in touched:
            tell_items_changed(one)
    return len(ids)
