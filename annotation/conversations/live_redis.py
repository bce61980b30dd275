"""The event log of a turn as a Redis Stream. Redis' own ids carry milliseconds, which would give each model's speed
away, so entries get ids from a counter: `<number>-0`."""

import uuid
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import redis
import redis.asyncio

from annotation.conversations.live import Entry, Follower, TurnEvent

# numbering and adding must be one step, or a later number could be added first
APPEND = """
local number = redis.call('XLEN', KEYS[1]) + 1
redis.call('XADD', KEYS[1], number .. '-0', 'event', ARGV[1])
redis.call('EXPIRE', KEYS[1], ARGV[2])
return number
"""
# longer than anybody waits for the next event: the library's own five seconds would break off a wait of five
READ_TIMEOUT = 30.0
# a log that no job pruned goes by itself
FORGOTTEN_AFTER = 3 * 24 * 3600


class RedisTurnLog:
    """One stream a turn."""

    def __init__(self, url: str) -> None:
        self.url = url
        self.client = redis.Redis.from_url(url)
        self._append = self.client.register_script(APPEND)

    def append(self, turn_id: uuid.UUID, event: TurnEvent) -> None:
        self._append(keys=[_key(turn_id)], args=[event.encoded(), FORGOTTEN_AFTER])

    def read(self, turn_id: uuid.UUID, after: int = 0) -> list[Entry]:
        return _entries(self.client.xrange(_key(turn_id), min=f"({after}-0"))

    @asynccontextmanager
    async def follow(self, turn_id: uuid.UUID, after: int = 0) -> AsyncIterator[Follower]:
        client = redis.asyncio.Redis.from_url(self.url, socket_timeout=READ_TIMEOUT)
        try:
            yield _Reader(client, _key(turn_id), after)
        finally:
            await client.aclose()

    def drop(self, turn_id: uuid.UUID) -> None:
        self.client.delete(_key(turn_id))


class _Reader:
    def __init__(self, client: "redis.asyncio.Redis", key: str, after: int) -> None:
        self.client = client
        self.key = key
        self.after = after

    async def wait(self, at_most: float) -> list[Entry]:
        block = max(int(at_most * 1000), 1)  # 0 would mean for ever
        answer: Any = await self.client.xread({self.key: f"{self.after}-0"}, block=block)
        found = _entries(answer[0][1]) if answer else []
        self.after = found[-1].number if found else self.after
        return found


def _key(turn_id: uuid.UUID) -> str:
    return f"turn:{turn_id}"


def _entries(rows: Any) -> list[Entry]:
    decoded = ((int(number.split(b"-")[0]), TurnEvent.decoded(fields[b"event"])) for number, fields in rows)
    return [Entry(number, event) for number, event in decoded if event is not None]
