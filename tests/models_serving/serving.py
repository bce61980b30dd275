"""Engines and servers at work, for tests: ask, wait for the end, look at what came."""

import socket
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any

from models_serving.contracts import Chunk, Message
from models_serving.engine.opening import OpenModel
from models_serving.engine.parameters import Parameters
from models_serving.engine.requests import Asking, Ended, Ticket
from models_serving.engine.slots import Engine
from models_serving.server import worker
from models_serving.server.app import Desk, make_server
from models_serving.server.config import Wanted
from models_serving.server.fleet import Fleet


@dataclass
class Heard:
    """A listener that keeps everything, and lets a test wait for what it needs."""

    events: list[Chunk | Ended] = field(default_factory=list)
    ended: threading.Event = field(default_factory=threading.Event)
    first: threading.Event = field(default_factory=threading.Event)
    on_event: Callable[[Chunk | Ended], None] = lambda event: None

    def __call__(self, event: Chunk | Ended) -> None:
        self.events.append(event)
        self.on_event(event)
        self.first.set()
        if isinstance(event, Ended):
            self.ended.set()

    @property
    def text(self) -> str:
        return "".join(event.text for event in self.events if isinstance(event, Chunk))

    @property
    def end(self) -> Ended:
        assert self.ended.wait(60), "no end came"
        [end] = [event for event in self.events if isinstance(event, Ended)]
        assert self.events[-1] is end
        return end


def begin(engine: Engine, prompts: list[tuple[list[int], Parameters]], **options: Any) -> list[tuple[Ticket, Heard]]:
    """Submit requests together."""
    heard = [Heard() for _ in prompts]
    return list(zip(engine.submit(prompts, heard, Asking(**options)), heard, strict=True))


def answer(model: OpenModel, text: str = "hello", **wanted: Any) -> tuple[str, Ended]:
    """One answer of a model, alone."""
    [(_, heard)] = begin(model.engine, model.prepare([Message("user", text)], wanted))
    return (heard.end and heard.text), heard.end


def drawn(engine: Engine, prompts: list[tuple[list[int], Parameters]]) -> list[list[int]]:
    """The tokens drawn for requests that are submitted together."""
    begun = begin(engine, prompts)
    for _, heard in begun:
        assert heard.end.reason in ("stop", "length"), heard.end
    return [ticket.drawer.drawn for ticket, _ in begun]


def until(condition: Callable[[], bool]) -> None:
    """Return when the condition holds; fail after three minutes, which a busy machine may take to start a process."""
    give_up = time.monotonic() + 180
    while not condition():
        assert time.monotonic() < give_up, "it never came true"
        threading.Event().wait(0.002)


class ModelThread:
    """What a model process is to the front, in a thread: a test can reach the engine."""

    pid = None

    def __init__(self, spec: Mapping[str, Any], opens: worker.Opens, max_waiting: int) -> None:
        self.connection, self._theirs = socket.socketpair()
        self._thread = threading.Thread(target=self._live, args=(spec, opens, max_waiting), daemon=True)
        self._thread.start()

    def _live(self, spec: Mapping[str, Any], opens: worker.Opens, max_waiting: int) -> None:
        end = worker.End(self._theirs)
        worker.live(end, worker.ModelSpec(**spec), max_waiting, opens)
        end.close()

    def kill(self) -> None:
        # A process that has ended can be killed, too.
        with suppress(OSError):
            self._theirs.shutdown(socket.SHUT_RDWR)

    async def end(self) -> str:
        # The thread ends when it has seen that nobody is there; a held engine may take longer.
        return "killed"


class ModelThreads:
    """Starts them. `models` are those that run now, `lives` counts how often each was started."""

    def __init__(self, max_waiting: int = 64) -> None:
        self.models: dict[str, OpenModel] = {}
        self.threads: dict[str, ModelThread] = {}
        self.lives: list[str] = []
        self._max_waiting = max_waiting
        # While transformers loads a model it exchanges functions of its own for others, and puts back what it found.
        self._loading = threading.Lock()

    async def __call__(self, spec: Mapping[str, Any]) -> ModelThread:
        self.lives.append(spec["name"])
        self.threads[spec["name"]] = thread = ModelThread(spec, self._open, self._max_waiting)
        return thread

    def _open(self, spec: worker.ModelSpec, granted: Mapping[str, Any], max_waiting: int) -> dict[str, OpenModel]:
        with self._loading:
            opened = worker.opened(spec, {**granted, "threads": 1}, max_waiting)
        self.models |= opened
        return opened


@dataclass
class RunningServer:
    """uvicorn in a thread, and its models in threads, too."""

    wanted: Sequence[Wanted]
    max_waiting: int = 3
    options: dict[str, Any] = field(default_factory=dict)
    fleet_options: dict[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.threads = ModelThreads(self.max_waiting)
        self.fleet = Fleet(self.wanted, self.threads, **self.fleet_options)
        self.desk = Desk(self.fleet, **self.options)
        self.server = make_server(self.desk, host="127.0.0.1", port=0)
        self._thread = threading.Thread(target=self.server.run, daemon=True)
        self._thread.start()
        until(lambda: self.server.started)
        port = self.server.servers[0].sockets[0].getsockname()[1]
        self.root = f"http://127.0.0.1:{port}"
        at_start = [one.name for one in self.wanted if one.at_start]
        until(lambda: all(self.fleet.models[name].state != "loading" for name in at_start))

    def model(self, name: str) -> OpenModel:
        return self.threads.models[name]

    def stop(self) -> None:
        self.server.should_exit = True
        self._thread.join(30)
        assert not self._thread.is_alive()
