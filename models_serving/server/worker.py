"""Inside a model process: one engine, asked and heard over one socket. The only file of the server that knows engines.

What is said, in the order of a life:

    process  {"plan": {"bytes", "devices": {name: bytes}, "processors"}}    what the model will take, what there is
    front    {"load": {"device", "bytes", "threads"}}            where it may have that
    process  {"ready": {…}} or {"refused": why}
    front    {"ask": n, …}   {"cancel": n}   {"how": n}   {"end": true}
    process  {"n", "index", "text"}   {"n", "index", "ended": {…}}   {"n", "declined": {…}}   {"n", "told": {…}}

When the front's end closes, so does the process."""

import gc
import logging
import queue
import signal
import socket
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import asdict, dataclass, field, replace
from functools import partial
from pathlib import Path
from typing import Any

from models_serving.contracts import Chunk
from models_serving.contracts import Message as Said
from models_serving.engine import footprint
from models_serving.engine.loading import LoadError, ModelSpec, hide_progress
from models_serving.engine.opening import OpenModel, open_all, use_threads
from models_serving.engine.parameters import HONOURED, InvalidRequestError, Parameters
from models_serving.engine.requests import Asking, Ended, Ticket
from models_serving.engine.tally import Histogram, Tally
from models_serving.engine.waiting import QueueFullError
from models_serving.server.frames import Message, frames_of, packed

log = logging.getLogger(__name__)
Opens = Callable[[ModelSpec, Mapping[str, Any], int], dict[str, OpenModel]]


def main(connection: socket.socket, spec: Mapping[str, Any], max_waiting: int) -> None:
    """The whole life of a model process."""
    # Ctrl-C in a terminal reaches the whole group, and so does what systemd sends; we end when the front closes the
    # socket, after it has drained.
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, signal.SIG_IGN)
    logging.basicConfig(level=logging.INFO, format=f"%(asctime)s %(levelname)s {spec['name']} %(message)s")
    hide_progress()
    _rather_this_one()
    end = End(connection)
    with suppress(BrokenPipeError):
        live(end, ModelSpec(**spec), max_waiting)
    end.close()


def _rather_this_one() -> None:
    """When the machine runs out of memory, Linux shall end a model that can be started again, and nothing else."""
    with suppress(OSError):
        Path("/proc/self/oom_score_adj").write_text("500", encoding="ascii")


class End:
    """The process's end of the socket. `say` never waits and may be called by any thread: a thread of its own sends
    what has gathered, so that a decode step of many answers is one message to the system."""

    def __init__(self, connection: socket.socket) -> None:
        self._connection = connection
        self._queue: queue.SimpleQueue[Message | None] = queue.SimpleQueue()
        self._over = False
        self._sender = threading.Thread(target=self._send, name="sender", daemon=True)
        self._sender.start()

    def say(self, message: Message) -> None:
        """Send it soon, after what was said before."""
        self._queue.put(message)

    def hear(self) -> Iterator[dict[str, Any]]:
        """What the front says, until it is gone."""
        for frame in frames_of(self._connection):
            yield from frame

    def close(self) -> None:
        """Send what is left, and end."""
        self._queue.put(None)
        self._sender.join()
        self._connection.close()

    def _send(self) -> None:
        try:
            # Nobody may be there any more; then `hear` has ended, too.
            with suppress(OSError):
                while messages := self._gathered():
                    self._connection.sendall(packed(messages))
        finally:
            # Who cannot speak any more had better be started anew.
            with suppress(OSError):
                self._connection.shutdown(socket.SHUT_RDWR)

    def _gathered(self) -> list[Message]:
        """What is to be said, at least one message; nothing at the end."""
        messages: list[Message] = []
        if not self._over and (message := self._queue.get()) is not None:
            messages.append(message)
            with suppress(queue.Empty):
                while (message := self._queue.get_nowait()) is not None:
                    messages.append(message)
                self._over = True
        return messages


def live(end: End, spec: ModelSpec, max_waiting: int, opens: Opens | None = None) -> None:
    """Say what is needed, load where that is granted, and answer until the front is gone."""
    heard = end.hear()
    try:
        there = {"devices": footprint.devices(), "processors": footprint.processors()}
        end.say({"plan": {"bytes": footprint.needed(spec)} | there})
        granted = next((message["load"] for message in heard if "load" in message), None)
        if granted is None:
            return
        models = (opens or opened)(spec, granted, max_waiting)
    except LoadError as error:
        end.say({"refused": str(error)})
        return
    except Exception as error:
        # Files can be wrong in more ways than anybody lists; whoever serves them wants to know in which.
        log.exception("%s cannot be loaded", spec.name)
        said = " ".join(str(error).strip().splitlines()[:1])
        end.say({"refused": f"{spec.name}: {type(error).__name__}: {said}"})
        return
    # What is loaded stays. Looking through it for garbage would hold up every answer for a fifth of a second.
    gc.collect()
    gc.freeze()
    Session(end, models).run(heard)


def opened(spec: ModelSpec, granted: Mapping[str, Any], max_waiting: int) -> dict[str, OpenModel]:
    """The model and its adapters at work on the device that was granted, by their names. Raises `LoadError`."""
    use_threads(int(granted["threads"]))
    footprint.keep_within(str(granted["device"]), int(granted["bytes"]))
    return open_all(replace(spec, device=str(granted["device"])), max_waiting=max_waiting)


@dataclass
class _Asked:
    """One request. `left` of its answers have not ended."""

    left: int
    tickets: Sequence[Ticket] = ()
    cancelled: bool = False
    lock: threading.Lock = field(default_factory=threading.Lock)


class Session:
    """Answers what the front asks of the models, which share one engine."""

    def __init__(self, end: End, models: Mapping[str, OpenModel]) -> None:
        self._end = end
        self._models = models
        self._engine = next(iter(models.values())).engine
        self._asked: dict[int, _Asked] = {}
        # How many answers are asked for whose prompts are not there yet; they count as waiting.
        self._preparing = 0
        self._counting = threading.Lock()
        # Long conversations take long to tokenise; meanwhile others are heard.
        self._pool = ThreadPoolExecutor(2, thread_name_prefix="prepare")

    def run(self, heard: Iterator[Mapping[str, Any]]) -> None:
        """Until the front is gone; then the engine ends."""
        self._end.say({"ready": {name: _described(model) for name, model in self._models.items()}})
        for message in heard:
            self._take(message)
        self._engine.close()
        self._pool.shutdown(cancel_futures=True)

    def _take(self, message: Mapping[str, Any]) -> None:
        match message:
            case {"ask": int(number)}:
                self._asked[number] = asked = _Asked(left=len(message["prompts"]) * message["choices"])
                self._guarded(number, partial(self._let_in, number, asked, message))
            case {"cancel": int(number)}:
                self._cancel(number)
            case {"how": int(number)}:
                self._end.say({"n": number, "told": self._state()})
            case {"end": True}:
                # Answers that still run hear that they are cancelled; the next step may take a while.
                threading.Thread(target=self._engine.close, daemon=True).start()

    def _let_in(self, number: int, asked: _Asked, message: Mapping[str, Any]) -> None:
        count = asked.left
        with self._counting:
            # More than may ever wait is refused by name when it is looked at.
            if not message["probe"] and count <= self._engine.max_waiting:
                self._engine.check_room(self._preparing + count, live=message["live"])
            self._preparing += count

        def prepare() -> None:
            try:
                self._guarded(number, partial(self._begin, number, asked, message))
            finally:
                with self._counting:
                    self._preparing -= count

        self._pool.submit(prepare)

    def _guarded(self, number: int, step: Callable[[], None]) -> None:
        try:
            step()
        except InvalidRequestError as error:
            self._decline(number, 400, str(error), param=error.parameter, code=error.code)
        except QueueFullError as error:
            if self._engine.alive:
                self._decline(number, 429, str(error), code="busy", retry_after=error.retry_after)
            else:
                self._decline(number, 503, "the model's engine has ended", code="model_unhealthy", retry_after=1)
        except Exception as error:
            # Whatever it was: it concerns this request alone, and somebody waits for an answer.
            log.exception("a request could not be prepared")
            self._decline(number, 500, f"the server failed: {type(error).__name__}", code="server_failed")

    def _decline(self, number: int, status: int, text: str, **members: Any) -> None:
        self._asked.pop(number, None)
        self._end.say({"n": number, "declined": {"status": status, "message": text} | members})

    def _begin(self, number: int, asked: _Asked, message: Mapping[str, Any]) -> None:
        model = self._models[message["model"]]
        prepared: list[tuple[list[int], Parameters]] = []
        for prompt in message["prompts"]:
            prepared += model.prepare(
                _prompt(prompt), message["wanted"], choices=message["choices"], usual=message["usual"]
            )
        if len(prepared) > (most := self._engine.max_waiting):
            raise InvalidRequestError("prompt", f"at most {most} answers at once here, not {len(prepared)}")
        listeners = [
            partial(self._hear, number, asked, index, parameters) for index, (_, parameters) in enumerate(prepared)
        ]
        with asked.lock:
            members = {name: message[name] for name in ("key", "live", "seconds", "probe", "came")}
            asking = Asking(let_in=True, **members)
            asked.tickets = self._engine.submit(prepared, listeners, asking)
            cancelled = asked.cancelled
        if cancelled:
            self._let_go(asked)

    def _hear(self, number: int, asked: _Asked, index: int, parameters: Parameters, event: Chunk | Ended) -> None:
        """On the engine's thread."""
        if isinstance(event, Chunk):
            piece = {"n": number, "index": index, "text": event.text}
            chances = [(token.text, token.logprob, token.top) for token in event.tokens]
            self._end.say(piece | {"tokens": chances} if chances else piece)
            return
        asked.left -= 1
        if not asked.left:
            self._asked.pop(number, None)
        self._end.say({"n": number, "index": index, "ended": asdict(event) | {"sampling": parameters.report()}})

    def _cancel(self, number: int) -> None:
        if asked := self._asked.get(number):
            with asked.lock:
                asked.cancelled = True
            self._let_go(asked)

    @staticmethod
    def _let_go(asked: _Asked) -> None:
        for ticket in asked.tickets:
            ticket.cancel()

    def _state(self) -> dict[str, Any]:
        engine = self._engine
        return {
            "alive": engine.alive,
            "load": engine.load,
            "still": time.monotonic() - engine.last_step,
            "bytes": footprint.used(),
            "tally": _counts(engine.tally),
        }


def _prompt(said: Any) -> Sequence[Said] | str | list[int]:
    """A conversation, a text, or token ids, as `OpenModel.prepare` takes them."""
    if isinstance(said, list) and said and isinstance(said[0], dict):
        return [Said(message["role"], message["content"]) for message in said]
    prompt: str | list[int] = said
    return prompt


def _counts(tally: Tally) -> dict[str, Any]:
    """An engine's tally as plain numbers; its histograms with their bounds."""
    return {name: vars(value) if isinstance(value, Histogram) else value for name, value in vars(tally).items()}


def _described(model: OpenModel) -> dict[str, Any]:
    return {
        "facts": model.facts,
        "fingerprint": model.fingerprint,
        "honours": sorted(HONOURED),
        "self_check": model.checked,
    }
