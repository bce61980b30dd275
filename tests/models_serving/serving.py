"""Engines and servers at work, for tests: ask, wait for the end, look at what came."""

import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import uvicorn

from models_serving.contracts import Chunk, Message
from models_serving.engine.opening import OpenModel
from models_serving.engine.parameters import Parameters
from models_serving.engine.requests import Asking, Ended, Ticket
from models_serving.engine.slots import Engine


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


@dataclass
class RunningServer:
    """uvicorn in a thread."""

    server: uvicorn.Server
    models: list[OpenModel]

    def __post_init__(self) -> None:
        self._thread = threading.Thread(target=self.server.run, daemon=True)
        self._thread.start()
        until(lambda: self.server.started)
        port = self.server.servers[0].sockets[0].getsockname()[1]
        self.root = f"http://127.0.0.1:{port}"

    def stop(self) -> None:
        self.server.should_exit = True
        self._thread.join(30)
        assert not self._thread.is_alive()
