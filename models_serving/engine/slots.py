"""The loop: one thread that owns a model and decides, step by step, which requests are in the batch.

A request waits, is prefilled together with others in chunks between which running answers go on, decodes in a packed
row, and ends: by the model, a length, a stop text, its deadline, its cancellation, or an error of its step. However it
ends, its listener hears exactly one `Ended`, last."""

import itertools
import logging
import os
import threading
import time
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

import torch

from models_serving.contracts import Chunk, FinishReason
from models_serving.engine.parameters import Parameters
from models_serving.engine.runner import Runner
from models_serving.engine.sampling import Drawer, draw
from models_serving.engine.text import Decodes, Detokeniser, StopFinder

log = logging.getLogger(__name__)
_GROUP_ROWS = 8


class QueueFullError(Exception):
    """More requests wait than the engine takes."""


@dataclass(frozen=True, slots=True)
class Ended:
    """The last event of a request. Times are seconds from submission; `started` is when its prefill began."""

    reason: FinishReason
    prompt_tokens: int
    completion_tokens: int
    started: float | None
    first_token: float | None
    finished: float
    error: str = ""


Listener = Callable[[Chunk | Ended], None]
"""Called on the engine's thread; must return at once."""


@dataclass(eq=False)
class Ticket:
    """One request on its way. `cancel` may be called from any thread, at any time, any number of times."""

    prompt: list[int]
    parameters: Parameters
    listener: Listener
    drawer: Drawer
    text: Detokeniser
    stops: StopFinder
    wake: Callable[[], None]
    deadline: float
    submitted: float = field(default_factory=time.monotonic)
    started: float | None = None
    first_token: float | None = None
    cancelled: bool = False
    ended: bool = False

    def cancel(self) -> None:
        """Let go of the request: it ends as `cancelled` before the next step."""
        self.cancelled = True
        self.wake()

    @property
    def length(self) -> int:
        """Tokens of prompt and answer so far."""
        return len(self.prompt) + len(self.drawer.drawn)

    def due(self, now: float) -> FinishReason | None:
        """Why it has to end before the next step, if it has to."""
        if self.cancelled:
            return "cancelled"
        return "deadline" if now >= self.deadline else None

    def accept(self, token: int, eos: frozenset[int]) -> FinishReason | None:
        """Take one drawn token: give its text on, and say whether the answer is complete."""
        self.drawer.note(token)
        if self.first_token is None:
            self.first_token = time.monotonic() - self.submitted
        drawn, wanted = len(self.drawer.drawn), self.parameters
        if token in eos:
            return "stop"
        text, stopped = self.text.push(token), False
        if drawn >= wanted.min_tokens:
            text, stopped = self.stops.push(text)
        self._say(text)
        if stopped:
            return "stop"
        return "length" if drawn >= wanted.max_tokens else None

    def end(self, reason: FinishReason, error: str = "") -> None:
        """Say the last words; a second call does nothing."""
        if self.ended:
            return
        self.ended = True
        if reason in ("stop", "length"):
            # After a stop text nothing is left in either.
            text, stopped = self.stops.push(self.text.flush())
            self._say(text if stopped else text + self.stops.flush())
        elapsed = time.monotonic() - self.submitted
        counts = (len(self.prompt), len(self.drawer.drawn))
        self._tell(Ended(reason, *counts, self.started, self.first_token, elapsed, error))

    def _say(self, text: str) -> None:
        if text:
            self._tell(Chunk(text))

    def _tell(self, event: Chunk | Ended) -> None:
        try:
            self.listener(event)
        except Exception:
            # Nobody's listener may end the engine's thread; who cannot hear is treated as gone.
            log.exception("a listener failed")
            self.cancelled = True


@dataclass
class _Filling:
    """Prompts being prefilled together. Requests with the same prompt share a row until they decode."""

    tickets: list[Ticket]
    prompts: list[list[int]]
    first: int
    done: int = 0
    logits: dict[int, torch.Tensor] = field(default_factory=dict)


class Engine:
    """Generates for many requests at once on one thread. `submit` may be called from any thread."""

    def __init__(
        self,
        runner: Runner,
        tokenizer: Decodes,
        eos: frozenset[int],
        *,
        max_waiting: int = 64,
        prefill_tokens: int = 512,
        name: str = "engine",
    ) -> None:
        self._runner = runner
        self._tokenizer = tokenizer
        self._eos = eos
        self._max_waiting = max_waiting
        self._prefill_tokens = prefill_tokens
        self._waiting: deque[Ticket] = deque()
        self._filling: _Filling | None = None
        self._rows: list[Ticket] = []
        self._changed = threading.Condition()
        self._closing = False
        self._thread = threading.Thread(target=self._run, name=f"engine-{name}", daemon=True)
        self.last_step = 0.0

    def start(self) -> None:
        """Begin to work."""
        self._thread.start()

    def close(self) -> None:
        """End all requests as `cancelled` and the thread; returns when it has ended."""
        with self._changed:
            self._closing = True
            self._changed.notify()
        if self._thread.ident is not None:
            self._thread.join()

    def submit(
        self, prompts: Sequence[tuple[list[int], Parameters]], listeners: Sequence[Listener], *, seconds: float = 300.0
    ) -> list[Ticket]:
        """Queue requests together, all or none. They must have been validated. Raises `QueueFullError`."""
        deadline = time.monotonic() + seconds
        tickets = [
            Ticket(
                prompt,
                parameters,
                listener,
                Drawer(parameters, prompt, self._eos),
                Detokeniser(self._tokenizer),
                StopFinder(parameters.stop),
                self._wake,
                deadline,
            )
            for (prompt, parameters), listener in zip(prompts, listeners, strict=True)
        ]
        with self._changed:
            if self._closing or len(self._waiting) + len(tickets) > self._max_waiting:
                raise QueueFullError
            self._waiting.extend(tickets)
            self._changed.notify()
        return tickets

    @property
    def load(self) -> dict[str, int]:
        """How many requests run, are being prefilled, and wait."""
        filling = self._filling
        return {
            "running": len(self._rows),
            "filling": len(filling.tickets) if filling else 0,
            "waiting": len(self._waiting),
        }

    @property
    def alive(self) -> bool:
        """Whether the thread is there to work."""
        return self._thread.is_alive() and not self._closing

    def _wake(self) -> None:
        with self._changed:
            self._changed.notify()

    def _run(self) -> None:
        while self._wait_for_work():
            self._end_what_is_due()
            self._guarded(self._fill, lambda: self._filling.tickets if self._filling else [])
            self._guarded(self._decode, lambda: self._rows)
            self.last_step = time.monotonic()
        for ticket in [*self._waiting, *(self._filling.tickets if self._filling else []), *self._rows]:
            ticket.end("cancelled")

    def _wait_for_work(self) -> bool:
        with self._changed:
            while not (self._closing or self._waiting or self._filling or self._rows):
                self._changed.wait()
            return not self._closing

    def _guarded(self, step: Callable[[], None], involved: Callable[[], list[Ticket]]) -> None:
        """Run one step; whatever goes wrong in it ends the requests of that step and nobody else's."""
        try:
            step()
        except Exception as error:
            log.exception("a step of the engine failed")
            for ticket in involved():
                ticket.end("error", f"the engine failed: {type(error).__name__}")
            if self._runner.on_cuda:
                # After a CUDA error nothing on the device can be trusted; the supervisor starts the process anew.
                os._exit(70)
            self._forget_ended()

    def _forget_ended(self) -> None:
        if self._filling and all(ticket.ended for ticket in self._filling.tickets):
            self._filling = None
        self._vacate([row for row, ticket in enumerate(self._rows) if ticket.ended])

    def _end_what_is_due(self) -> None:
        now = time.monotonic()
        with self._changed:
            due = [ticket for ticket in self._waiting if ticket.due(now)]
            for ticket in due:
                self._waiting.remove(ticket)
        for ticket in [*due, *(self._filling.tickets if self._filling else []), *self._rows]:
            if reason := ticket.due(now):
                ticket.end(reason)
        self._forget_ended()

    def _vacate(self, rows: list[int]) -> None:
        """Free rows; the last running answer moves into each, so that running answers stay packed."""
        for row in sorted(rows, reverse=True):
            last = self._rows.pop()
            if row < len(self._rows):
                # The token drawn last is not in the cache yet.
                self._runner.move(len(self._rows), row, last.length - 1)
                self._rows[row] = last

    def _fill(self) -> None:
        if self._filling is None:
            self._filling = self._gather()
        if (filling := self._filling) is None:
            return
        size = max(self._prefill_tokens // len(filling.prompts), 16)
        longest = max(map(len, filling.prompts))
        start, stop = filling.done, min(filling.done + size, longest)
        chunk = [(prompt[start:stop] + [0] * (stop - start))[: stop - start] for prompt in filling.prompts]
        ends = [len(prompt) - 1 - start for prompt in filling.prompts]
        wanted = [end if 0 <= end < stop - start else 0 for end in ends]
        logits = self._runner.prefill(chunk, first=filling.first, offset=start, wanted=wanted)
        for row, end in enumerate(ends):
            if 0 <= end < stop - start:
                filling.logits[row] = logits[row]
        filling.done = stop
        if stop == longest:
            self._filling = None
            self._guarded(lambda: self._settle(filling), lambda: filling.tickets)

    def _gather(self) -> _Filling | None:
        """Take waiting requests, first come first served, as long as there are rows and the group stays small."""
        free = self._runner.slots - len(self._rows)
        with self._changed:
            head = list(itertools.islice(self._waiting, free))
            tickets: list[Ticket] = []
            prompts: list[list[int]] = []
            for ticket in head:
                wider = prompts if ticket.prompt in prompts else [*prompts, ticket.prompt]
                padded = len(wider) * max(map(len, wider))
                if prompts and (len(wider) > _GROUP_ROWS or padded > 4 * self._prefill_tokens):
                    break
                prompts = wider
                tickets.append(self._waiting.popleft())
        now = time.monotonic()
        for ticket in tickets:
            ticket.started = now - ticket.submitted
        return _Filling(tickets, prompts, first=len(self._rows)) if tickets else None

    def _settle(self, filling: _Filling) -> None:
        """Prompts are in: give each request its own packed row and draw its first token.

        Rows may have become free below the group, and requests of it may have ended: the prompts still wanted move
        down, lowest first; then requests that share a prompt get their copies."""
        base = len(self._rows)
        tickets = [ticket for ticket in filling.tickets if not ticket.ended]
        numbers = {tuple(prompt): number for number, prompt in enumerate(filling.prompts)}
        sources = {id(ticket): numbers[tuple(ticket.prompt)] for ticket in tickets}
        homes = {number: base + place for place, number in enumerate(sorted(set(sources.values())))}
        for number, home in homes.items():
            self._runner.move(filling.first + number, home, len(filling.prompts[number]))
        firsts = {source: ticket for ticket in reversed(tickets) for source in [sources[id(ticket)]]}
        others = [ticket for ticket in tickets if firsts[sources[id(ticket)]] is not ticket]
        for row, ticket in enumerate(others, base + len(homes)):
            self._runner.move(homes[sources[id(ticket)]], row, len(ticket.prompt))
        settled = [firsts[number] for number in homes] + others
        self._rows += settled
        logits = torch.stack([filling.logits[sources[id(ticket)]] for ticket in settled])
        self._accept(base, draw(logits, [ticket.drawer for ticket in settled]))

    def _decode(self) -> None:
        if not self._rows:
            return
        tokens = [ticket.drawer.drawn[-1] for ticket in self._rows]
        logits = self._runner.decode(tokens, [ticket.length - 1 for ticket in self._rows])
        self._accept(0, draw(logits, [ticket.drawer for ticket in self._rows]))

    def _accept(self, first: int, tokens: list[int | None]) -> None:
        for ticket, token in zip(self._rows[first:], tokens, strict=True):
            if token is None:
                ticket.end("error", "the model's logits are no numbers")
            elif reason := ticket.accept(token, self._eos):
                ticket.end(reason)
        self._forget_ended()
