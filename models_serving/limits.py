"""How long an answer may take: the phases of one request, on one clock. Knows nothing of networks."""

import time
from collections.abc import Callable
from typing import Literal

from models_serving.contracts import TimeLimits

# how long token counts and the like are waited for when the text of an answer is complete
ENDING_S = 2.0
Phase = Literal["first token", "between tokens", "total"]


class PhaseClock:
    """Counts one request. The first-token limit holds until text arrives, the between-tokens limit from then on, the
    total limit always. A keep-alive is no text and moves nothing."""

    def __init__(self, limits: TimeLimits, now: Callable[[], float] = time.monotonic) -> None:
        self.limits = limits
        self._now = now
        self._started = now()
        self._last_text: float | None = None
        self.first_token: float | None = None
        self._ends_by = float("inf")

    def elapsed(self) -> float:
        """Seconds since the moment of asking."""
        return self._now() - self._started

    def heard_text(self) -> None:
        """Text has arrived: from now on the between-tokens limit holds."""
        self._last_text = self.elapsed()
        if self.first_token is None:
            self.first_token = self._last_text

    def wait(self) -> None:
        """The waiting for the next text begins now: the time that the caller took over the last one is not counted
        as the model's silence."""
        if self._last_text is not None:
            self._last_text = self.elapsed()

    def ending(self) -> None:
        """The text is complete: what may still come is waited for a moment only, and no limit is reached by it."""
        if self._ends_by == float("inf"):
            self._ends_by = self.elapsed() + min(ENDING_S, self.left() / 2)

    def _nearest(self) -> tuple[float, Phase]:
        if self._last_text is None:
            phase: tuple[float, Phase] = (self.limits.first_token, "first token")
        else:
            phase = (self._last_text + self.limits.between_tokens, "between tokens")
        return min(phase, (self.limits.total, "total"), key=lambda deadline: deadline[0])

    def left(self) -> float:
        """Seconds until the nearest limit; zero or less when it has passed."""
        return min(self._nearest()[0], self._ends_by) - self.elapsed()

    def check(self) -> None:
        """Raises `TimeoutError` when a limit has passed."""
        if self.left() <= 0:
            raise TimeoutError

    def overdue(self) -> str:
        """The limit that is nearest, in words for an error."""
        phase = self._nearest()[1]
        seconds = {
            "first token": self.limits.first_token,
            "between tokens": self.limits.between_tokens,
            "total": self.limits.total,
        }[phase]
        return f"{phase}: longer than {seconds:g} s"
