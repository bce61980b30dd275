"""Who of this process waits for a place, in the order in which they came. Where hundreds wait for a model, hundreds
need not look for a place several times a second, and nobody is passed by all the others."""

import threading
from collections import defaultdict
from collections.abc import Callable, Hashable
from itertools import islice
from math import inf
from time import monotonic
from weakref import WeakKeyDictionary

# so many of a line look for places, so that those given back soon after each other find somebody
MOST_LOOKING = 8
# seconds after which nobody waits for one of whom nothing was heard
SILENT = 5.0


class Lines:
    """A line for each kind of place. Whoever exists no more, because their request ended, has left it."""

    def __init__(self, now: Callable[[], float] = monotonic) -> None:
        self._now = now
        self._lock = threading.Lock()
        # when they were last heard of; in the order in which they came
        self._lines: defaultdict[Hashable, WeakKeyDictionary[object, float]] = defaultdict(WeakKeyDictionary)

    def may_look(self, kind: Hashable, who: object) -> bool:
        """Whether they are among the first of their line; somebody new, whether it is that short."""
        with self._lock:
            line, now = self._lines[kind], self._now()
            if who in line:
                line[who] = now
            first = list(islice((one for one, heard in line.items() if heard > now - SILENT), MOST_LOOKING))
            return len(first) < MOST_LOOKING or any(one is who for one in first)

    def wait(self, kind: Hashable, who: object) -> None:
        """There is no place. Whoever is in the line keeps their position, somebody new comes last."""
        with self._lock:
            self._lines[kind][who] = self._now()

    def step_out(self, kind: Hashable, who: object) -> None:
        """They have a place. If that comes to nothing, and they come again, they are where they were: before all who
        came after them."""
        with self._lock:
            self._lines[kind][who] = -inf
