"""Real processes, small ones; time is a list of numbers wherever a pause is meant."""

import os
import re
import signal
import socket
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from annotation.common.processes import Program, Supervisor, command_of, how_it_ended, port_is_free
from tests.live import wait_until

WAITS = "import signal; print('up', flush=True); signal.pause()"
IGNORES = (
    "import signal; signal.signal(signal.SIGTERM, signal.SIG_IGN); print('up', flush=True)\nwhile True: signal.pause()"
)
ENDS = "raise SystemExit(3)"
# a child of its own that would hang its parent if it were asked to end as well
PARENT = (
    "import subprocess, sys, signal\n"
    "c = subprocess.Popen([sys.executable, '-c', 'import signal; signal.signal(signal.SIGTERM, lambda *_: "
    'print("asked", flush=True)); print("up", flush=True)\\nwhile True: signal.pause()\'])\n'
    "print('child', c.pid, flush=True)\n"
    "signal.pause()"
)


class Clock:
    now = 0.0

    def __call__(self) -> float:
        return self.now


class Watched(Supervisor):
    def __init__(self, place: Path) -> None:
        self.said: list[str] = []
        self.time = Clock()
        super().__init__(folder=place / "run", logs=place / "logs", say=self.said.append, clock=self.time)

    def run(self, name: str, script: str) -> int:
        self.start(Program(name, [sys.executable, "-c", script]))
        return self.pid(name)

    def pid(self, name: str) -> int:
        return self._children[name].process.pid

    def wait_for_end(self, name: str) -> None:
        self._children[name].process.wait(timeout=20)

    def wait_for_word(self, name: str, word: str = "up", times: int = 1) -> None:
        wait_until(f"{name} says {word}", lambda: self.log(name).read_text().count(word) == times)


@pytest.fixture
def supervisor(tmp_path: Path) -> Iterator[Watched]:
    watched = Watched(tmp_path)
    yield watched
    watched.stop(grace=0)


def gone(pid: int) -> bool:
    return command_of(pid) == ""


def test_all_end_when_they_are_asked_to(supervisor: Watched) -> None:
    pids = [supervisor.run(name, WAITS) for name in ("one", "two")]
    for name in ("one", "two"):
        supervisor.wait_for_word(name)
    assert supervisor.stop() == []
    assert [gone(pid) for pid in pids] == [True, True]


def test_who_does_not_end_in_time_is_killed_and_named(supervisor: Watched) -> None:
    pid = supervisor.run("deaf", IGNORES)
    supervisor.wait_for_word("deaf")
    assert supervisor.stop(grace=0.1) == ["deaf"]
    assert gone(pid)


def test_who_is_in_a_hurry_does_not_wait_for_the_deaf(supervisor: Watched) -> None:
    supervisor.run("deaf", IGNORES)
    supervisor.wait_for_word("deaf")
    assert supervisor.stop(grace=3600, hurry=lambda: True) == ["deaf"]


def test_only_the_main_process_is_asked_and_what_it_leaves_is_killed(supervisor: Watched) -> None:
    supervisor.run("parent", PARENT)
    supervisor.wait_for_word("parent")
    grandchild = int(supervisor.log("parent").read_text().split()[1])
    assert supervisor.stop() == []
    wait_until("the grandchild is gone", lambda: gone(grandchild))
    assert "asked" not in supervisor.log("parent").read_text()


def test_a_program_that_ends_is_said_and_starts_again_after_its_pause(supervisor: Watched) -> None:
    first = supervisor.run("web", WAITS)
    supervisor.wait_for_word("web")
    os.kill(first, signal.SIGKILL)
    supervisor.wait_for_end("web")
    supervisor.check()
    assert supervisor.said == [f"web ended (SIGKILL); it starts again in 1 s. Why: {supervisor.log('web')}"]
    supervisor.time.now = 0.9
    supervisor.check()
    assert supervisor.pid("web") == first
    supervisor.time.now = 1.0
    supervisor.check()
    supervisor.wait_for_word("web", times=2)
    assert supervisor.pid("web") != first


def test_pauses_grow_to_half_a_minute_and_begin_anew_after_a_long_life(supervisor: Watched) -> None:
    supervisor.run("bad", ENDS)
    for lived in (0, 0, 0, 0, 0, 0, 0, 61):
        supervisor.wait_for_end("bad")
        supervisor.time.now += lived
        supervisor.check()
        supervisor.time.now += 30
        supervisor.check()
    pauses = [line.split(" starts again in ")[1].split(" s.")[0] for line in supervisor.said]
    assert pauses == ["1", "2", "4", "8", "16", "30", "30", "1"]
    assert supervisor.ends_in_a_row() == {"bad": 1}


def test_a_program_is_not_ended_twice_by_one_end(supervisor: Watched) -> None:
    supervisor.run("bad", ENDS)
    supervisor.wait_for_end("bad")
    supervisor.check()
    supervisor.check()
    assert supervisor.ends_in_a_row() == {"bad": 1}


def test_what_a_killed_supervisor_left_is_swept_away(supervisor: Watched, tmp_path: Path) -> None:
    pid = supervisor.run("web", WAITS)
    supervisor.wait_for_word("web")
    assert Watched(tmp_path).sweep() == ["web"]
    supervisor.wait_for_end("web")
    assert gone(pid)


def test_a_process_that_only_has_the_number_is_left_alone(supervisor: Watched, tmp_path: Path) -> None:
    pid = supervisor.run("web", WAITS)
    supervisor.wait_for_word("web")
    (tmp_path / "run" / "web.pid").write_text(f"{pid}\nanother command")
    assert Watched(tmp_path).sweep() == []
    assert not gone(pid)
    assert not (tmp_path / "run" / "web.pid").exists()


def test_a_port_is_free_until_somebody_listens() -> None:
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        port = other.getsockname()[1]
        other.listen()
        assert not port_is_free("127.0.0.1", port)
    assert port_is_free("127.0.0.1", port)


@pytest.mark.parametrize(
    ("code", "words"), [(0, "exit code 0"), (3, "exit code 3"), (-9, "SIGKILL"), (-99, "signal 99")]
)
def test_an_end_is_told_in_words(code: int, words: str) -> None:
    assert how_it_ended(code) == words


def test_what_a_killed_program_had_started_goes_with_it(supervisor: Watched) -> None:
    parent = supervisor.run("family", PARENT)
    for word in ("up", "child"):
        supervisor.wait_for_word("family", word)
    child = int(re.search(r"child (\d+)", supervisor.log("family").read_text())[1])
    os.kill(parent, signal.SIGKILL)
    supervisor.wait_for_end("family")
    supervisor.check()
    wait_until("the child is gone", lambda: gone(child))
