"""Messages between the front and a model process: JSON lists, each behind its length in bytes, on one socket.

Neither side reads anything from the other that could run code, as pickled objects could."""

import asyncio
import json
import socket
import struct
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

_HEAD = struct.Struct(">I")
Message = Mapping[str, Any]


def packed(messages: Sequence[Message]) -> bytes:
    """The messages in one frame."""
    data = json.dumps(messages, separators=(",", ":")).encode()
    return _HEAD.pack(len(data)) + data


async def read(reader: asyncio.StreamReader) -> list[dict[str, Any]]:
    """The messages of the next frame. Raises `asyncio.IncompleteReadError` at the end."""
    (size,) = _HEAD.unpack(await reader.readexactly(_HEAD.size))
    return _messages(await reader.readexactly(size))


def frames_of(connection: socket.socket) -> Iterator[list[dict[str, Any]]]:
    """The messages of each frame until the other end is closed, in the middle of a frame or not."""
    while len(head := _exactly(connection, _HEAD.size)) == _HEAD.size:
        (size,) = _HEAD.unpack(head)
        if len(data := _exactly(connection, size)) < size:
            return
        yield _messages(data)


def _exactly(connection: socket.socket, size: int) -> bytes:
    """So many bytes, or fewer when there are no more."""
    data = bytearray()
    while len(data) < size:
        try:
            part = connection.recv(min(size - len(data), 1 << 20))
        except OSError:
            break
        if not part:
            break
        data += part
    return bytes(data)


def _messages(data: bytes) -> list[dict[str, Any]]:
    messages: list[dict[str, Any]] = json.loads(data)
    return messages
