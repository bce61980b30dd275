"""What follows when somebody has withdrawn. Higher apps stand here by the dotted path of a task that takes the
participation's id, so that this app need not know them."""

import uuid

from django.db import transaction
from django.utils.module_loading import import_string

AFTER_WITHDRAWALS = ("annotation.conversations.tasks.stop_answers",)


def tell_withdrawn(participation_id: uuid.UUID) -> None:
    """Queue every such task, once the withdrawal is in the database. What is lost on the way, sweeps make up for."""
    for path in AFTER_WITHDRAWALS:
        transaction.on_commit(lambda path=path: import_string(path).delay(str(participation_id)), robust=True)  # type: ignore[misc]  # the default binds the loop's value
