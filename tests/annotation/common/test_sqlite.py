"""Many threads of one process that write at once."""

import threading

import pytest
from django.db import IntegrityError, connection, connections, transaction
from django.utils import timezone

from annotation.common.models import Heartbeat
from annotation.common.sqlite import base

pytestmark = [
    pytest.mark.django_db(transaction=True),
    pytest.mark.skipif(connection.vendor != "sqlite", reason="about SQLite"),
]


def in_threads(acts: list[threading.Thread]) -> None:
    for act in acts:
        act.start()
    for act in acts:
        act.join(30)


def test_threads_that_count_up_at_once_lose_nothing_and_leave_the_turn_to_others() -> None:
    names = [f"queue-{number}" for number in range(20)]

    def write(name: str) -> None:
        with transaction.atomic():
            Heartbeat.objects.create(queue=name, at=timezone.now())
        connections.close_all()

    in_threads([threading.Thread(target=write, args=(name,)) for name in names])
    assert sorted(Heartbeat.objects.values_list("queue", flat=True)) == sorted(names)
    assert not base._turn.locked()


def test_a_transaction_that_fails_or_whose_connection_is_closed_gives_its_turn_back() -> None:
    Heartbeat.objects.create(queue="one", at=timezone.now())
    with pytest.raises(IntegrityError), transaction.atomic():
        Heartbeat.objects.create(queue="one", at=timezone.now())
    assert not base._turn.locked()

    held = []

    def leave() -> None:
        transaction.atomic().__enter__()
        Heartbeat.objects.update(queue="two")
        held.append(base._turn.locked())
        connection.close()

    in_threads([threading.Thread(target=leave)])
    assert (held, base._turn.locked()) == ([True], False)
    assert Heartbeat.objects.get().queue == "one"
