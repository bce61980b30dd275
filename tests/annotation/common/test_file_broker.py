"""The embedded broker's files are whole whenever a worker looks."""

import multiprocessing
import os
import threading
from pathlib import Path

import pytest
from kombu import Connection, Consumer, Exchange, Queue

from annotation.common import file_broker

SENT = 300


@pytest.fixture
def connection(tmp_path: Path) -> Connection:
    for name in ("queue", "done", "control"):
        (tmp_path / name).mkdir()
    options = {
        "data_folder_in": str(tmp_path / "queue"),
        "data_folder_out": str(tmp_path / "queue"),
        "processed_folder": str(tmp_path / "done"),
        "control_folder": str(tmp_path / "control"),
        "store_processed": True,
        "polling_interval": 0.001,
    }
    return Connection(transport=file_broker.Transport, transport_options=options)


def _send(options: dict[str, object], first: int) -> None:
    with Connection(transport=file_broker.Transport, transport_options=options) as sending:
        producer = sending.Producer()
        for number in range(first, first + SENT // 2):
            producer.publish({"number": number, "text": "x" * 20_000}, exchange="", routing_key="jobs")


def test_a_worker_never_reads_half_a_message_and_misses_none(connection: Connection) -> None:
    context = multiprocessing.get_context("fork")
    senders = [context.Process(target=_send, args=(connection.transport_options, first)) for first in (0, SENT // 2)]
    got: list[int] = []
    queue = Queue("jobs", Exchange(""), routing_key="jobs", durable=True)
    with Consumer(
        connection.channel(), queue, callbacks=[lambda body, message: (got.append(body["number"]), message.ack())]
    ):
        for sender in senders:
            sender.start()
        while len(got) < SENT:
            connection.drain_events(timeout=30)
    for sender in senders:
        sender.join(timeout=30)
    assert sorted(got) == list(range(SENT))


def test_who_waits_is_woken_by_a_message_and_never_by_the_clock(connection: Connection, tmp_path: Path) -> None:
    # nobody looks again in the time of this test
    connection.transport_options["polling_interval"] = 3600
    got: list[int] = []
    queue = Queue("jobs", Exchange(""), routing_key="jobs", durable=True)
    # the bell of a process that was killed
    killed = tmp_path / "control" / "killed.bell"
    os.mkfifo(killed)
    with Consumer(
        connection.channel(), queue, callbacks=[lambda body, message: (got.append(body["number"]), message.ack())]
    ):
        with pytest.raises(TimeoutError):
            connection.drain_events(timeout=0.01)
        sender = threading.Timer(0.2, _send, (connection.transport_options, 0))
        sender.start()
        while len(got) < SENT // 2:
            connection.drain_events(timeout=30)
        sender.join()
        assert len(list(tmp_path.glob("control/*.bell"))) == 1
    connection.release()
    assert (sorted(got), killed.exists(), list(tmp_path.glob("control/*.bell"))) == (list(range(SENT // 2)), False, [])


def test_two_that_bind_at_once_never_read_an_empty_table(connection: Connection) -> None:
    errors: list[BaseException] = []

    def bind(number: int) -> None:
        try:
            with connection.clone() as own:
                own.channel()._queue_bind("talks", "key", "", f"queue-{number}")
        except BaseException as error:  # noqa: BLE001 - told below
            errors.append(error)

    binders = [threading.Thread(target=bind, args=(number,)) for number in range(16)]
    for binder in binders:
        binder.start()
    for binder in binders:
        binder.join(timeout=30)
    table = connection.channel().get_table("talks")
    assert errors == []
    assert sorted(row.queue for row in table) == sorted(f"queue-{number}" for number in range(16))


def test_the_address_of_the_embedded_broker_means_this_transport() -> None:
    assert Connection("filesystem://localhost").get_transport_cls() is file_broker.Transport
