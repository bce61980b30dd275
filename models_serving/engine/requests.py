"""One request on its way through the engine, from its submission to the one `Ended` that its listener hears last.

No torch here, and nothing of who else is in the batch."""

import logging
import math
import time
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field

from models_serving.contracts import Chunk, FinishReason, TokenChance
from models_serving.engine.parameters import Parameters
from models_serving.engine.sampling import Drawer, Drawn
from models_serving.engine.text import Detokeniser
from models_serving.stops import StopFinder

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Ended:
    """The last event of a request. Times are seconds from submission: `started` when its prefill began (it queued
    until then), `first_token` and `last_token` when those were drawn. `reused_tokens` of the prompt were not computed,
    because a row of the cache held them already; `put_back` counts how often it had to let live requests go first."""

    reason: FinishReason
    prompt_tokens: int
    completion_tokens: int
    started: float | None
    first_token: float | None
    last_token: float | None
    finished: float
    reused_tokens: int = 0
    put_back: int = 0
    error: str = ""


Listener = Callable[[Chunk | Ended], None]
"""Called on the engine's thread; must return at once."""


@dataclass(frozen=True, slots=True)
class Asking:
    """Who asks, for a fair order: `key` is one person's or conversation's, empty for nobody in particular; requests
    that are not `live` (jobs that nobody waits for) come after those that are, and give their place up to them.
    `seconds` is how long the answer may take, the queue included. A `probe` is our own question whether the engine
    works: it is let in although the queue is full, and nothing of it is counted. One that was `let_in` by
    `Engine.check_room` is not sent away later. `came` is when the request arrived, by this machine's monotonic clock,
    which all processes share; without it, now."""

    key: str = ""
    live: bool = True
    seconds: float = 300.0
    probe: bool = False
    let_in: bool = False
    came: float | None = None


@dataclass(eq=False)
class Ticket:
    """One request. `cancel` may be called from any thread, at any time, any number of times; all else is the engine
    thread's."""

    prompt: list[int]
    parameters: Parameters
    listener: Listener
    asking: Asking
    drawer: Drawer
    text: Detokeniser
    stops: StopFinder
    eos: frozenset[int]
    wake: Callable[[], None]
    submitted: float = field(default_factory=time.monotonic)
    started: float | None = None
    first_token: float | None = None
    last_token: float | None = None
    reused: int = 0
    put_back: int = 0
    cancelled: bool = False
    ended: Ended | None = None
    _given: int = 0
    _decoded: int = 0
    _cut: bool = False
    _chances: deque[tuple[int, int, TokenChance]] = field(default_factory=deque)

    def __post_init__(self) -> None:
        self.deadline = self.submitted + self.asking.seconds

    def cancel(self) -> None:
        """Let go of the request: it ends as `cancelled` before the next step."""
        self.cancelled = True
        self.wake()

    @property
    def length(self) -> int:
        """Tokens of prompt and answer so far."""
        return len(self.prompt) + len(self.drawer.drawn)

    @property
    def tokens(self) -> list[int]:
        """The tokens of prompt and answer so far."""
        return self.prompt + self.drawer.drawn

    def due(self, now: float) -> FinishReason | None:
        """Why it has to end before the next step, if it has to."""
        if self.cancelled:
            return "cancelled"
        return "deadline" if now >= self.deadline else None

    def accept(self, drawn: Drawn) -> FinishReason | None:
        """Take one drawn token: give its text on, and say whether the answer is complete."""
        self.drawer.note(drawn.token)
        self.last_token = time.monotonic() - self.submitted
        if self.first_token is None:
            self.first_token = self.last_token
        if drawn.token in self.eos:
            return "stop"
        text, count = self.text.push(drawn.token), len(self.drawer.drawn)
        begins, self._decoded = self._decoded, self._decoded + len(text)
        if drawn.logprob is not None:
            # A token without text of its own (half a character) goes with the text that completes it.
            self._chances.append((begins, self._decoded if text else self._decoded + 1, self._chance(drawn)))
        if count >= self.parameters.min_tokens:
            text, self._cut = self.stops.push(text)
        self._say(text)
        if self._cut:
            return "stop"
        return "length" if count >= self.parameters.max_tokens else None

    def end(self, reason: FinishReason, error: str = "") -> None:
        """Say the last words; a second call does nothing."""
        if self.ended:
            return
        if reason in ("stop", "length"):
            if not self._cut:
                text, self._cut = self.stops.push(self.text.flush())
                self._say(text if self._cut else text + self.stops.flush())
            self._say_what_is_left()
        self.ended = Ended(
            reason,
            len(self.prompt),
            len(self.drawer.drawn),
            self.started,
            self.first_token,
            self.last_token,
            time.monotonic() - self.submitted,
            self.reused,
            self.put_back,
            error,
        )
        self._tell(self.ended)

    def _chance(self, drawn: Drawn) -> TokenChance:
        top = tuple((self.text.single(token), logprob) for token, logprob in drawn.top)
        return TokenChance(self.text.single(drawn.token), drawn.logprob or 0.0, top)

    def _say(self, text: str) -> None:
        if not text:
            return
        self._given += len(text)
        chances = []
        # Tokens whose text is held back or cut off by a stop text are held back with it.
        while self._chances and self._chances[0][1] <= self._given:
            chances.append(self._chances.popleft()[2])
        self._tell(Chunk(text, tuple(chances)))

    def _say_what_is_left(self) -> None:
        """The chances of tokens whose text never became whole, or reached into a stop text."""
        if left := tuple(chance for begins, _, chance in self._chances if begins < self._given or not self._cut):
            self._tell(Chunk("", left))
        self._chances.clear()

    def _tell(self, event: Chunk | Ended) -> None:
        try:
            self.listener(event)
        except Exception:
            # Nobody's listener may end the engine's thread; who cannot hear is treated as gone.
            log.exception("a listener failed")
            self.cancelled = True


def seconds_until_free(places: int, slots: int, mean_seconds: float) -> int:
    """Whole seconds until so many waiting requests have moved up, if `slots` answers of mean length run at once (the
    mean rate of a server that is always busy); from 1 to 60."""
    return min(max(math.ceil(places * mean_seconds / slots), 1), 60)
