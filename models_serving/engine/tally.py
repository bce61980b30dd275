"""What an engine has done since it started, in numbers that only grow: for metrics, and for a test to look at.

Written by the engine's thread (refusals: under the queue's lock), read from any thread by `snapshot`."""

import bisect
import copy
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field

from models_serving.engine.requests import Ended

_WAITS = (0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0)
_GAPS = (0.005, 0.01, 0.02, 0.03, 0.05, 0.1, 0.2, 0.5, 1.0, 5.0)


@dataclass
class Histogram:
    """How many values were at most each bound, in seconds; the last count is of all others."""

    bounds: Sequence[float]
    total: float = 0.0
    counts: list[int] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.counts = self.counts or [0] * (len(self.bounds) + 1)

    def add(self, seconds: float, times: int = 1) -> None:
        """Count a value, or several equal ones."""
        self.counts[bisect.bisect_left(self.bounds, seconds)] += times
        self.total += seconds * times

    @property
    def count(self) -> int:
        """How many values there were."""
        return sum(self.counts)


@dataclass
class Tally:
    """Counts and seconds, of everything but probes. `ended` is by finish reason; `batch_rows` sums the answers of all
    decode steps, so that divided by `steps` it is the mean batch; `placed` counts those that got a row and ended.
    `queued`, `first_token` and `between_tokens` hear of a wait as soon as it is over."""

    ended: Counter[str] = field(default_factory=Counter)
    refused: int = 0
    put_back: int = 0
    prompt_tokens: int = 0
    reused_tokens: int = 0
    completion_tokens: int = 0
    steps: int = 0
    batch_rows: int = 0
    busy_seconds: float = 0.0
    queued: Histogram = field(default_factory=lambda: Histogram(_WAITS))
    first_token: Histogram = field(default_factory=lambda: Histogram(_WAITS))
    between_tokens: Histogram = field(default_factory=lambda: Histogram(_GAPS))
    placed: int = 0
    placed_seconds: float = 0.0

    def note(self, ended: Ended) -> None:
        """A request has ended."""
        self.ended[ended.reason] += 1
        self.put_back += ended.put_back
        self.prompt_tokens += ended.prompt_tokens
        self.reused_tokens += ended.reused_tokens
        if ended.started is None:
            # Who never got a place waited until the end.
            self.queued.add(ended.finished)
        else:
            self.placed += 1
            self.placed_seconds += ended.finished - ended.started

    def note_token(self, waited: float, since_last: float | None) -> None:
        """An answer has a token more, so many seconds after it was asked for and after its last one."""
        self.completion_tokens += 1
        if since_last is None:
            self.first_token.add(waited)
        else:
            self.between_tokens.add(since_last)

    @property
    def mean_seconds(self) -> float:
        """How long an answer had a place, on average; 1 before there was any."""
        return self.placed_seconds / self.placed if self.placed else 1.0

    def snapshot(self) -> "Tally":
        """A copy that stays as it is."""
        return copy.deepcopy(self)
