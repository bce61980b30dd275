"""One of something for all threads of a process."""

import subprocess
import sys
import threading

from annotation.common.once import one_a_process
from tests.live import ROOT

AT_ONCE = 8


def test_all_who_ask_at_once_get_the_same_one() -> None:
    made: list[object] = []
    got: list[object] = []
    gate = threading.Barrier(AT_ONCE)

    @one_a_process
    def it() -> object:
        made.append(object())
        # long enough for the others to ask, too
        threading.Event().wait(0.1)
        return made[-1]

    def ask() -> None:
        gate.wait()
        got.append(it())

    threads = [threading.Thread(target=ask) for _ in range(AT_ONCE)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(20)
    assert (len(made), got) == (1, made * AT_ONCE)


FORKED = """
import os
from annotation.common.once import one_a_process
it = one_a_process(os.getpid)
assert it() == os.getpid()
child = os.fork()
if child == 0:
    os._exit(0 if it() == os.getpid() else 1)
assert os.waitpid(child, 0) == (child, 0)
"""


def test_a_forked_process_makes_its_own() -> None:
    # in a process without other threads: to fork one that has some is not safe
    assert subprocess.run([sys.executable, "-c", FORKED], cwd=ROOT, check=False).returncode == 0
