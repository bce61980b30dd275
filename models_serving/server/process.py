"""Starts a process for a model. torch and transformers are imported once, by a process that does nothing else and from
which the others branch off: so the second model is there in a tenth of the time of the first."""

import asyncio
import json
import multiprocessing
import os
import signal
import socket
from collections.abc import Mapping, Sequence
from contextlib import ExitStack, suppress
from multiprocessing import forkserver, resource_tracker
from multiprocessing.context import ForkServerContext
from pathlib import Path
from typing import Any, Protocol

_GRACE_SECONDS = 10.0
# The second is what the command's own file needs, which Python runs in every process.
_COMMON = ("models_serving.server.worker", "models_serving.server.config")


class Started(Protocol):
    """A process that has been started. `connection` is our end of the socket to it."""

    connection: socket.socket
    pid: int | None

    def kill(self) -> None:
        """End it at once."""

    async def end(self) -> str:
        """Wait until it has ended, which it does when `connection` closes; in the end kill it. Returns how it ended."""


class Launcher:
    """Starts processes on demand. `specs` are all models that may come; what they have in common is imported ahead."""

    def __init__(self, specs: Sequence[Mapping[str, Any]], *, max_waiting: int) -> None:
        # With this torch asks the driver's library which devices there are and does not start CUDA, which would not
        # survive the branching off.
        os.environ.setdefault("PYTORCH_NVML_BASED_CUDA_CHECK", "1")
        self._max_waiting = max_waiting
        self._context: ForkServerContext = multiprocessing.get_context("forkserver")
        self._context.set_forkserver_preload([*_COMMON, *_architectures(specs)])

    def warm_up(self) -> None:
        """Begin to import; returns at once."""
        _ensure_running()

    async def __call__(self, spec: Mapping[str, Any]) -> Started:
        """Start the process of one model."""
        # The first start waits for the imports.
        return await asyncio.to_thread(self._start, spec)

    def _start(self, spec: Mapping[str, Any]) -> "_Process":
        ours, theirs = socket.socketpair()
        _ensure_running()
        with theirs, ExitStack() as failing:
            failing.callback(ours.close)
            process = self._context.Process(
                target=_inside, args=(theirs, dict(spec), self._max_waiting), name=str(spec["name"]), daemon=True
            )
            process.start()
            failing.pop_all()
        return _Process(ours, process)


class _Process:
    def __init__(self, connection: socket.socket, process: multiprocessing.process.BaseProcess) -> None:
        self.connection = connection
        self.pid = process.pid
        self._process = process

    def kill(self) -> None:
        self._process.kill()

    async def end(self) -> str:
        await asyncio.to_thread(self._process.join, _GRACE_SECONDS)
        if self._process.is_alive():
            self._process.kill()
            await asyncio.to_thread(self._process.join)
        return how_it_ended(self._process.exitcode)


def _ensure_running() -> None:
    """The process from which the others branch off. A signal to the whole group leaves it alone, as it does them: it
    tells how each of them ended, and ends when we do. What is blocked here stays so over there."""
    # Its start takes the block away again; so it comes first.
    resource_tracker.ensure_running()
    held = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGTERM, signal.SIGHUP})
    try:
        forkserver.ensure_running()
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, held)


def how_it_ended(code: int | None) -> str:
    """An exit code in words."""
    if code is None or code >= 0:
        return f"exit code {code}"
    with suppress(ValueError):
        return signal.Signals(-code).name
    return f"signal {-code}"


def _inside(connection: socket.socket, spec: Mapping[str, Any], max_waiting: int) -> None:
    from models_serving.server import worker  # noqa: PLC0415 - torch is for the model processes, not for the front

    worker.main(connection, spec, max_waiting)


def _architectures(specs: Sequence[Mapping[str, Any]]) -> list[str]:
    """The modules of transformers that the models will need, from their configurations; unknown ones come later."""
    modules = ["transformers.models.auto.modeling_auto", "transformers.models.auto.tokenization_auto"]
    for spec in specs:
        with suppress(OSError, ValueError, AttributeError):
            kind = json.loads((Path(spec["path"]) / "config.json").read_text(encoding="utf-8")).get("model_type", "")
            if str(kind).isidentifier():
                modules.append(f"transformers.models.{kind}.modeling_{kind}")
    return list(dict.fromkeys(modules))
