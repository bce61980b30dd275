"""One of something for all threads of a process."""

import os
import threading
from collections.abc import Callable
from functools import wraps
from typing import TypeVar

T = TypeVar("T")


def one_a_process(make: Callable[[], T]) -> Callable[[], T]:
    """What `make` gives, made when it is first asked for. Whoever asks meanwhile waits and gets the same; a cache would
    give one to each of them. A forked process makes its own: it has none of the threads."""
    made: list[T] = []
    lock = threading.Lock()

    @wraps(make)
    def get() -> T:
        if not made:
            with lock:
                if not made:
                    made.append(make())
        return made[0]

    def begin_anew() -> None:
        nonlocal lock
        made.clear()
        # nobody is there who could let go of the old one
        lock = threading.Lock()

    os.register_at_fork(after_in_child=begin_anew)
    return get
