"""Items that participants wrote."""

from collections.abc import Iterable
from typing import Any
from uuid import UUID

from django.db.models import QuerySet

from annotation.items.models import Item


def hold_written(*, authors: Iterable[UUID] | QuerySet[Any, Any]) -> int:
    """Show nobody any more what these people wrote for others to judge; they have withdrawn. How many items."""
    written = Item.objects.filter(author_id__in=authors, origin=Item.Origin.WRITTEN, held="")
    return written.update(held="its author has withdrawn")
