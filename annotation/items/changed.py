"""What follows when items came into a set, or may be shown now. Higher apps stand here by the dotted path of a task
that takes the study's id, so that this app need not know them."""

from django.db import transaction
from django.utils.module_loading import import_string

from annotation.items.models import ItemSet

AFTER_CHANGES = ("annotation.assignments.tasks.open_places_of_study",)


def tell_items_changed(item_set: ItemSet) -> None:
    """Queue every such task, once the change is in the database. What is lost on the way, sweeps make up for."""
    if item_set.study_id is not None:
        for path in AFTER_CHANGES:
            transaction.on_commit(lambda path=path: import_string(path).delay(item_set.study_id), robust=True)  # type: ignore[misc]  # the default binds the loop's value
