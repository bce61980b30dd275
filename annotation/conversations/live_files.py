"""The event log of a turn as an append-only file of JSON lines; an entry's number is its line's."""

import asyncio
import fcntl
import os
import uuid
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from time import monotonic

from annotation.conversations.live import Entry, Follower, TurnEvent

LOOK_EVERY = 0.04


class FileTurnLog:
    """One file a turn, spread over folders by the first two letters of its id."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def path(self, turn_id: uuid.UUID) -> Path:
        return self.folder / turn_id.hex[:2] / f"{turn_id}.jsonl"

    def append(self, turn_id: uuid.UUID, event: TurnEvent) -> None:
        path = self.path(turn_id)
        path.parent.mkdir(parents=True, exist_ok=True)
        line = event.encoded().encode() + b"\n"
        handle = os.open(path, os.O_RDWR | os.O_APPEND | os.O_CREAT, 0o600)
        try:
            fcntl.flock(handle, fcntl.LOCK_EX)
            os.write(handle, (b"" if _ends_with_a_line(handle) else b"\n") + line)
        finally:
            os.close(handle)

    def read(self, turn_id: uuid.UUID, after: int = 0) -> list[Entry]:
        return _Reader(self.path(turn_id), after).news()

    @asynccontextmanager
    async def follow(self, turn_id: uuid.UUID, after: int = 0) -> AsyncIterator[Follower]:
        yield _Reader(self.path(turn_id), after)

    def drop(self, turn_id: uuid.UUID) -> None:
        self.path(turn_id).unlink(missing_ok=True)


def _ends_with_a_line(handle: int) -> bool:
    """`False` after a writer that was killed, or met a full disk, in the middle of its line."""
    size = os.fstat(handle).st_size
    return size == 0 or os.pread(handle, 1, size - 1) == b"\n"


class _Reader:
    """Remembers how far it has read. Reading what is new of a small local file takes microseconds, so it is done in the
    event loop."""

    def __init__(self, path: Path, after: int) -> None:
        self.path = path
        self.after = after
        self.offset = 0
        self.lines = 0

    async def wait(self, at_most: float) -> list[Entry]:
        until = monotonic() + at_most
        news = self.news()
        while not news and (left := until - monotonic()) > 0:
            await asyncio.sleep(min(LOOK_EVERY, left))
            news = self.news()
        return news

    def news(self) -> list[Entry]:
        try:
            with self.path.open("rb") as file:
                file.seek(self.offset)
                fresh = file.read()
        except FileNotFoundError:
            return []
        whole = fresh[: fresh.rfind(b"\n") + 1]
        self.offset += len(whole)
        found = []
        for line in whole.splitlines():
            self.lines += 1
            event = TurnEvent.decoded(line)
            if event is not None and self.lines > self.after:
                found.append(Entry(self.lines, event))
        return found
