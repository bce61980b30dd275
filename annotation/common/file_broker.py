"""The embedded broker: kombu's file-system transport, with whole files only.

kombu creates a message under its final name and writes into it afterwards; a worker that looks in between reads an
empty file and ends with an unrecoverable error. The same holds for the first lines of an exchange's table. Here a file
gets its name when it is complete."""

import os
import uuid
from pathlib import Path
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

    def _queue_bind(self, exchange: str, routing_key: str, pattern: str | None, queue: str) -> None:
        table: Path = self._exchange_file(exchange)  # type: ignore[attr-defined]  # newer than the stubs
        if not table.exists():
            self.control_folder.mkdir(parents=True, exist_ok=True)
            _write_whole(table, "[]", replace=False)
        super()._queue_bind(exchange, routing_key, pattern, queue)


class Transport(filesystem.Transport):
    Channel = Channel


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
