"""The embedded broker: kombu's file-system transport, with whole files only, and a bell for those who wait for them.

kombu creates a message under its final name and writes into it afterwards; a worker that looks in between reads an
empty file and ends with an unrecoverable error. The same holds for the first lines of an exchange's table. Here a file
gets its name when it is complete.

kombu sleeps between two looks, and a message lies there for half of that. Here whoever puts one there
rings for all who sleep."""

import errno
import os
import select
import uuid
from contextlib import suppress
from pathlib import Path
from queue import Empty
from time import monotonic
from typing import Any

from kombu.exceptions import ChannelError
from kombu.transport import TRANSPORT_ALIASES, filesystem
from kombu.utils.json import dumps


class Channel(filesystem.Channel):
    """A channel whose files appear whole."""

    def _put(self, queue: str, payload: dict[str, Any], **kwargs: Any) -> None:  # type: ignore[override]  # as its parent
        # the name begins with the time, because messages are taken in the order of their names
        name = f"{round(monotonic() * 1000)}_{uuid.uuid4()}.{queue}.msg"
        _write_whole(Path(self.data_folder_out) / name, dumps(payload))
        _ring(Path(self.control_folder))

    def _queue_bind(self, exchange: str, routing_key: str, pattern: str | None, queue: str) -> None:
        table: Path = self._exchange_file(exchange)  # type: ignore[attr-defined]  # newer than the stubs
        if not table.exists():
            self.control_folder.mkdir(parents=True, exist_ok=True)
            _write_whole(table, "[]", replace=False)
        super()._queue_bind(exchange, routing_key, pattern, queue)


class Transport(filesystem.Transport):
    """Waits for messages as its parent does, with an ear open."""

    Channel = Channel
    _bell: "_Bell | None" = None

    def drain_events(  # type: ignore[override]  # as its parent, newer than the stubs
        self, connection: Any, timeout: float | None = None
    ) -> None:
        until = None if timeout is None else monotonic() + timeout
        while not self._delivered(timeout):
            left = self._look_every if until is None else min(self._look_every, until - monotonic())
            if left <= 0:
                raise TimeoutError
            if self._bell is None:
                options = self.client.transport_options or {}  # type: ignore[union-attr]  # the connection that made it
                self._bell = _Bell(Path(options.get("control_folder", "control")))
                # what came before there was a bell
                continue
            # whoever had no hand free hears nothing when they have one again, and looks
            self._bell.wait(left)

    def _delivered(self, timeout: float | None) -> bool:
        try:
            self.cycle.get(self._deliver, timeout=timeout)  # type: ignore[union-attr]  # it is there from the start
        except Empty:
            return False
        return True

    @property
    def _look_every(self) -> float:
        return self.polling_interval or 1.0

    def close_connection(self, connection: Any) -> None:
        super().close_connection(connection)
        if self._bell is not None:
            self._bell.close()
            self._bell = None


class _Bell:
    """A pipe with a name. What rings is remembered until somebody waits, so that none is missed."""

    def __init__(self, folder: Path) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self._path = folder / f"{uuid.uuid4().hex}.bell"
        quiet = self._path.with_suffix(".new")
        os.mkfifo(quiet, 0o600)
        # for writing, too: where nobody may write there is nothing to wait for
        self._pipe = os.open(quiet, os.O_RDWR | os.O_NONBLOCK)
        # it gets its name when it is open, because one that nobody has open is taken away
        quiet.rename(self._path)
        self._ear = select.poll()
        self._ear.register(self._pipe, select.POLLIN)

    def wait(self, seconds: float) -> None:
        if self._ear.poll(seconds * 1000):
            with suppress(BlockingIOError):
                os.read(self._pipe, 4096)

    def close(self) -> None:
        self._path.unlink(missing_ok=True)
        os.close(self._pipe)


def _ring(folder: Path) -> None:
    for path in folder.glob("*.bell"):
        # one that is full rings already; whoever cannot be reached looks by themself
        with suppress(OSError):
            try:
                pipe = os.open(path, os.O_WRONLY | os.O_NONBLOCK)
            except OSError as error:
                if error.errno == errno.ENXIO:
                    # its process was killed
                    path.unlink(missing_ok=True)
                continue
            try:
                os.write(pipe, b"!")
            finally:
                os.close(pipe)


def use_whole_files() -> None:
    """Let addresses with `filesystem://` mean this transport."""
    TRANSPORT_ALIASES["filesystem"] = f"{__name__}:Transport"


def _write_whole(path: Path, text: str, *, replace: bool = True) -> None:
    unfinished = path.with_name(f".{path.name}.{uuid.uuid4().hex}")
    try:
        unfinished.write_text(text, encoding="utf-8")
        if replace:
            unfinished.replace(path)
        else:
            _name_once(unfinished, path)
    except OSError as error:
        raise ChannelError(f"{path} cannot be written") from error


def _name_once(unfinished: Path, path: Path) -> None:
    """Of several at once the first one's file stays."""
    try:
        os.link(unfinished, path)
    except FileExistsError:
        pass
    finally:
        unfinished.unlink()
