"""The loop: one thread that owns a model and decides, step by step, which requests are in the batch.

A request waits, gets a row, is prefilled in chunks between which running answers go on, decodes in a packed row, and
ends: by the model, a length, a stop text, its deadline, its cancellation, or an error of its step. However it ends, its
row is free before the next step, and its listener hears exactly one `Ended`, last."""

import logging
import os
import threading
import time
from collections import deque
from collections.abc import Callable, Sequence
from concurrent.futures import Future
from functools import partial
from typing import Any, NoReturn, TypeVar

from models_serving.contracts import FinishReason
from models_serving.engine.batch import Batch
from models_serving.engine.parameters import Parameters
from models_serving.engine.requests import Asking, Listener, Ticket, seconds_until_free
from models_serving.engine.rows import Fill, Rows
from models_serving.engine.runner import Runner
from models_serving.engine.sampling import Drawer, Drawn, draw
from models_serving.engine.tally import Tally
from models_serving.engine.text import Decodes, Detokeniser
from models_serving.engine.waiting import QueueFullError, WaitingRoom
from models_serving.stops import StopFinder

log = logging.getLogger(__name__)
NOBODY = Asking()
T = TypeVar("T")


class Engine:
    """Generates for many requests at once on one thread. `submit` may be called from any thread.

    `max_waiting` requests may wait for a row; `prefill_tokens` are computed at most between two tokens of running
    answers."""

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
        self._prefill_tokens = prefill_tokens
        self._waiting = WaitingRoom(max_waiting)
        self._rows = Rows(runner)
        self._batch: Batch | None = None
        self._errands: deque[tuple[Future[Any], Callable[[], Any]]] = deque()
        self._changed = threading.Condition()
        self._closing = False
        self._thread = threading.Thread(target=self._run, name=f"engine-{name}", daemon=True)
        self._tally = Tally()
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
        self,
        prompts: Sequence[tuple[list[int], Parameters]],
        listeners: Sequence[Listener],
        asking: Asking = NOBODY,
    ) -> list[Ticket]:
        """Queue requests together, all or none. They must have been validated. Raises `QueueFullError`."""
        tickets = [
            Ticket(
                prompt,
                parameters,
                listener,
                asking,
                Drawer(parameters, prompt, self._eos),
                Detokeniser(self._tokenizer),
                StopFinder(parameters.stop),
                self._eos,
                self._wake,
                time.monotonic() if asking.came is None else asking.came,
            )
            for (prompt, parameters), listener in zip(prompts, listeners, strict=True)
        ]
        with self._changed:
            let_in = asking.probe or asking.let_in or self._waiting.has_room(len(tickets), live=asking.live)
            if self._closing or not let_in:
                self._refuse(len(tickets))
            self._waiting.put(tickets)
            self._changed.notify()
        return tickets

    def between_steps(self, errand: Callable[[], T]) -> T:
        """What an errand returns or raises that computes with the model: it is run on the engine's thread. For each
        thread that ever computed, torch keeps processor threads of its own, and those of two threads that live slow
        each other down. Raises `RuntimeError` where the engine has ended."""
        done: Future[T] = Future()
        with self._changed:
            if self._closing:
                raise RuntimeError("the engine has ended")
            self._errands.append((done, errand))
            self._changed.notify()
        return done.result()

    def check_room(self, count: int, *, live: bool) -> None:
        """For whoever still has to make prompts of what was asked: raises `QueueFullError` where so many could neither
        begin nor wait now."""
        with self._changed:
            if not self._waiting.has_room(count, live=live, free=self._rows.free):
                self._refuse(count)

    def _refuse(self, count: int) -> NoReturn:
        self._tally.refused += 1
        raise QueueFullError(seconds_until_free(count, self._runner.slots, self._tally.mean_seconds))

    @property
    def max_waiting(self) -> int:
        """How many requests may wait."""
        return self._waiting.size

    @property
    def widest(self) -> int:
        """How many tokens of one prompt are computed at most at once."""
        return min(self._prefill_tokens, self._runner.widest)

    @property
    def load(self) -> dict[str, int]:
        """How many requests run, are being prefilled, and wait."""
        return {"running": len(self._rows.running), "filling": len(self._rows.filling), "waiting": len(self._waiting)}

    @property
    def tally(self) -> Tally:
        """What has been done since the start, as it stands now."""
        return self._tally.snapshot()

    @property
    def alive(self) -> bool:
        """Whether the thread is there to work."""
        return self._thread.is_alive() and not self._closing

    def _wake(self) -> None:
        with self._changed:
            self._changed.notify()

    def _run(self) -> None:
        try:
            while self._wait_for_work():
                began = time.monotonic()
                self._step()
                self.last_step = time.monotonic()
                self._tally.busy_seconds += self.last_step - began
        except Exception as error:
            # What no step expects: nobody knows any more what the rows hold. The supervisor sees that we are not alive.
            log.exception("the engine cannot go on")
            self._end_all("error", _words(error))
        else:
            self._end_all("cancelled")

    def _end_all(self, reason: FinishReason, error: str = "") -> None:
        """Nobody is taken any more and everybody hears it. Touches no tensor: after a CUDA error that fails, too."""
        with self._changed:
            self._closing = True
            waiting = self._waiting.all()
            while self._errands:
                self._errands.popleft()[0].set_exception(RuntimeError("the engine has ended"))
        for ticket in [*waiting, *self._rows.tickets]:
            self._tell_end(ticket, reason, error)
        if error and self._runner.on_cuda:
            # Nothing on the device can be trusted; the supervisor starts the process anew.
            os._exit(70)

    def _wait_for_work(self) -> bool:
        with self._changed:
            while not (self._closing or self._errands or self._waiting or self._rows.tickets):
                self._changed.wait()
            return not self._closing

    def _step(self) -> None:
        """A chunk of prompts and a token for every running answer, with those who are there now."""
        self._run_errands()
        self._end_what_is_due()
        self._admit()
        group = self._rows.next_group(self._prefill_tokens, self._runner.widest)
        self._guarded(lambda: self._fill(group), [fill.ticket for fill, _ in group])
        running = list(self._rows.running)
        self._guarded(lambda: self._decode(running), running)

    def _run_errands(self) -> None:
        while self._errands:
            done, errand = self._errands.popleft()
            try:
                done.set_result(errand())
            except Exception as error:  # noqa: BLE001 - it is raised where it was asked for
                done.set_exception(error)

    def _guarded(self, step: Callable[[], None], involved: Sequence[Ticket]) -> None:
        """Run one step; whatever goes wrong in it ends the requests of that step and nobody else's. After a CUDA error
        all end."""
        try:
            step()
        except Exception as error:
            if self._runner.on_cuda:
                raise
            log.exception("a step of the engine failed")
            self._batch = None
            for ticket in involved:
                self._end(ticket, "error", _words(error))

    def _end(self, ticket: Ticket, reason: FinishReason, error: str = "") -> None:
        """Whatever its state was: its row is free, and its listener hears the end, once."""
        try:
            if ticket in self._rows.tickets:
                self._rows.leave(ticket, sound=reason != "error")
        finally:
            self._tell_end(ticket, reason, error)

    def _tell_end(self, ticket: Ticket, reason: FinishReason, error: str) -> None:
        if ticket.ended:
            return
        ticket.end(reason, error)
        if ticket.ended and not ticket.asking.probe:
            self._tally.note(ticket.ended)

    def _end_what_is_due(self) -> None:
        now = time.monotonic()
        with self._changed:
            due = [ticket for ticket in self._waiting.all() if ticket.due(now)]
            for ticket in due:
                self._waiting.remove(ticket)
        for ticket in [*due, *self._rows.tickets]:
            if reason := ticket.due(now):
                self._end(ticket, reason)

    def _admit(self) -> None:
        """Give free rows to those who wait, in their order. A live request that finds none gets a job's row: the job
        waits again and later goes on where it was."""
        with self._changed:
            while ticket := self._waiting.next(self._rows.keys()):
                if not self._rows.free and not (ticket.asking.live and self._put_back_a_job()):
                    return
                self._waiting.remove(ticket)
                if ticket.started is None:
                    ticket.started = time.monotonic() - ticket.submitted
                    if not ticket.asking.probe:
                        self._tally.queued.add(ticket.started)
                self._guarded(partial(self._rows.open, ticket), [ticket])

    def _put_back_a_job(self) -> bool:
        jobs = [ticket for ticket in self._rows.tickets if not ticket.asking.live]
        if not jobs:
            return False
        youngest = max(jobs, key=lambda ticket: ticket.submitted)
        self._rows.leave(youngest)
        youngest.put_back += 1
        self._waiting.put([youngest])
        return True

    def _fill(self, group: list[tuple[Fill, int]]) -> None:
        if not group:
            return
        chunks = [fill.tokens[fill.done : fill.done + size] for fill, size in group]
        self._runner.use_adapters([fill.ticket.parameters.adapter for fill, _ in group])
        logits = self._runner.prefill([fill.row for fill, _ in group], chunks, [fill.done for fill, _ in group])
        for fill, size in group:
            fill.done += size
        complete = [place for place, (fill, _) in enumerate(group) if not fill.left]
        for place in complete:
            self._rows.settle(group[place][0])
        if complete:
            # One that was put back and comes again has a token more than a batch of the same answers knows of.
            self._batch = None
            tickets = [group[place][0].ticket for place in complete]
            self._accept(tickets, draw(logits[complete], [ticket.drawer for ticket in tickets]))

    def _decode(self, running: list[Ticket]) -> None:
        if not running:
            return
        self._runner.use_adapters([ticket.parameters.adapter for ticket in running])
        if self._batch is None or self._batch.tickets != running:
            self._batch = Batch(running, self._runner.device)
        batch = self._batch
        logits = self._runner.decode(batch.tokens, batch.lengths, batch.longest)
        if counted := sum(not ticket.asking.probe for ticket in running):
            self._tally.steps += 1
            self._tally.batch_rows += counted
        self._accept(running, batch.draw(logits))

    def _accept(self, tickets: Sequence[Ticket], tokens: Sequence[Drawn | None]) -> None:
        for ticket, drawn in zip(tickets, tokens, strict=True):
            if drawn is None:
                self._end(ticket, "error", "the model's logits are no numbers")
                continue
            before = ticket.last_token
            reason = ticket.accept(drawn)
            if ticket.last_token is not None and not ticket.asking.probe:
                self._tally.note_token(ticket.last_token, None if before is None else ticket.last_token - before)
            if reason:
                self._end(ticket, reason)


def _words(error: Exception) -> str:
    return f"the engine failed: {type(error).__name__}"
