"""The event log of a turn as an append-only file of JSON lines; an entry's number is its line's."""

import asyncio
import errno
import fcntl
import os
import uuid
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from time import monotonic

from annotation.conversations.live import Entry, Follower, Said, TurnEvent

# seconds between two looks of a reader: what comes within them is told together. Who is nearly alone looks more often,
# and all readers of a process together look so many times a second
SHORTEST, LONGEST = 0.003, 0.02
LOOKS_A_SECOND = 2_000
ONE_READ = 1 << 16


class FileTurnLog:
    """One file a turn, spread over folders by the first two letters of its id."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def path(self, turn_id: uuid.UUID) -> Path:
        return self.folder / turn_id.hex[:2] / f"{turn_id}.jsonl"

    def append(self, turn_id: uuid.UUID, *events: TurnEvent) -> None:
        lines = "".join(f"{event.encoded()}\n" for event in events).encode()
        handle = self._opened(turn_id)
        try:
            fcntl.flock(handle, fcntl.LOCK_EX)
            whole = lines if _ends_with_a_line(handle) else b"\n" + lines
            if os.write(handle, whole) < len(whole):
                raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        finally:
            os.close(handle)

    def append_all(self, said: Said) -> None:
        for turn_id, events in said.items():
            self.append(turn_id, *events)

    def _opened(self, turn_id: uuid.UUID) -> int:
        path, how = self.path(turn_id), os.O_RDWR | os.O_APPEND | os.O_CREAT
        try:
            return os.open(path, how, 0o600)
        except FileNotFoundError:
            path.parent.mkdir(parents=True, exist_ok=True)
            return os.open(path, how, 0o600)

    def read(self, turn_id: uuid.UUID, after: int = 0) -> list[Entry]:
        with _Reader(self.path(turn_id), after) as reader:
            return reader.news()

    @asynccontextmanager
    async def follow(self, turn_id: uuid.UUID, after: int = 0) -> AsyncIterator[Follower]:
        with _Reader(self.path(turn_id), after) as reader:
            yield reader

    def drop(self, turn_id: uuid.UUID) -> None:
        self.path(turn_id).unlink(missing_ok=True)


def _ends_with_a_line(handle: int) -> bool:
    """`False` after a writer that was killed, or met a full disk, in the middle of its line."""
    size = os.fstat(handle).st_size
    return size == 0 or os.pread(handle, 1, size - 1) == b"\n"


def pause_among(readers: int) -> float:
    """Seconds until the next look of one of so many readers."""
    return min(max(readers / LOOKS_A_SECOND, SHORTEST), LONGEST)


class _Reader:
    """Remembers how far it has read. Reading what is new of a small local file takes microseconds, so it is done in the
    event loop."""

    def __init__(self, path: Path, after: int) -> None:
        self.path = path
        self.after = after
        self.offset = 0
        self.lines = 0
        self._handle: int | None = None

    def __enter__(self) -> "_Reader":
        return self

    def __exit__(self, *_: object) -> None:
        if self._handle is not None:
            os.close(self._handle)

    async def wait(self, at_most: float) -> list[Entry]:
        until = monotonic() + at_most
        news = self.news()
        _waiting.add(self)
        try:
            while not news and (left := until - monotonic()) > 0:
                await asyncio.sleep(min(pause_among(len(_waiting)), left))
                news = self.news()
        finally:
            _waiting.discard(self)
        return news

    def news(self) -> list[Entry]:
        fresh = self._fresh()
        if not fresh:
            return []
        whole = fresh[: fresh.rfind(b"\n") + 1]
        self.offset += len(whole)
        found = []
        # what a killed writer left of a letter is in a line that is none anyway
        for line in whole.decode(errors="replace").split("\n")[:-1]:
            self.lines += 1
            event = TurnEvent.decoded(line)
            if event is not None and self.lines > self.after:
                found.append(Entry(self.lines, event))
        return found

    def _fresh(self) -> bytes:
        """What lies behind the last whole line that was read."""
        if self._handle is None:
            try:
                self._handle = os.open(self.path, os.O_RDONLY)
            except FileNotFoundError:
                return b""
        fresh = part = os.pread(self._handle, ONE_READ, self.offset)
        while len(part) == ONE_READ:
            part = os.pread(self._handle, ONE_READ, self.offset + len(fresh))
            fresh += part
        return fresh


# of this process
_waiting: set[_Reader] = set()
