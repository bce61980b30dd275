"""The event log of a turn as a Redis Stream. Redis' own ids carry milliseconds, which would give each model's speed
away, so entries get ids from a counter: `<number>-0`.

All who follow in one process share one reader: it waits for what is new of all their turns at once."""

import asyncio
import uuid
from collections.abc import AsyncIterator, Iterable
from contextlib import asynccontextmanager
from typing import Any

import redis
import redis.asyncio

from annotation.conversations.live import Entry, Follower, Said, TurnEvent

# numbering and adding must be one step, or a later number could be added first
APPEND = """
local number = redis.call('XLEN', KEYS[1])
for place = 2, #ARGV do
    number = number + 1
    redis.call('XADD', KEYS[1], number .. '-0', 'event', ARGV[place])
end
redis.call('EXPIRE', KEYS[1], ARGV[1])
return number
"""
# seconds: what comes so soon after other news is told together
TOGETHER = 0.02
# seconds until a reader of nothing new asks again, for the library gives up after five
LONGEST_LOOK = 1.0
# seconds after which a bell that nobody rings is forgotten
BELL_KEPT = 60
# a log that no job pruned goes by itself
FORGOTTEN_AFTER = 3 * 24 * 3600
# entries that are kept for a reader who does not take them; who is further behind reads them again
MOST_KEPT = 500


class RedisTurnLog:
    """One stream a turn."""

    def __init__(self, url: str) -> None:
        self.url = url
        self.client = redis.Redis.from_url(url)
        self._append = self.client.register_script(APPEND)
        self._tail: _Tail | None = None

    def append(self, turn_id: uuid.UUID, *events: TurnEvent) -> None:
        self._append(keys=[_key(turn_id)], args=_arguments(events))

    def append_all(self, said: Said) -> None:
        with self.client.pipeline(transaction=False) as pipeline:
            for turn_id, events in said.items():
                self._append(keys=[_key(turn_id)], args=_arguments(events), client=pipeline)
            pipeline.execute()

    def read(self, turn_id: uuid.UUID, after: int = 0) -> list[Entry]:
        return _entries(self.client.xrange(_key(turn_id), min=f"({after}-0"))

    @asynccontextmanager
    async def follow(self, turn_id: uuid.UUID, after: int = 0) -> AsyncIterator[Follower]:
        tail = self._running_tail()
        reader = _Reader(tail, _key(turn_id), after)
        tail.readers.add(reader)
        try:
            yield reader
        finally:
            tail.readers.discard(reader)

    def _running_tail(self) -> "_Tail":
        """The one of this event loop. It stays when its last reader leaves: the next one finds it connected."""
        loop = asyncio.get_running_loop()
        if self._tail is None or self._tail.loop is not loop or self._tail.over:
            self._tail = _Tail(self.url, loop)
        return self._tail

    def drop(self, turn_id: uuid.UUID) -> None:
        self.client.delete(_key(turn_id))


class _Tail:
    """Waits for what is new of all followed turns, and gives it to readers. Whoever joins rings its bell, a stream
    like the others, because a look that is under way does not know of them."""

    def __init__(self, url: str, loop: asyncio.AbstractEventLoop) -> None:
        self.loop = loop
        self.readers: set[_Reader] = set()
        self.over = False
        self.client = redis.asyncio.Redis.from_url(url)
        self._bell, self._rung = f"bell:{uuid.uuid4()}", "0-0"
        # kept, because the loop itself would let go of it
        self._task = loop.create_task(self._run())

    async def ring(self) -> None:
        """Look again, at what is followed now."""
        async with self.client.pipeline(transaction=False) as pipeline:
            pipeline.xadd(self._bell, {"": ""}, maxlen=1, approximate=False)
            pipeline.expire(self._bell, BELL_KEPT)
            await pipeline.execute()

    async def _run(self) -> None:
        try:
            while True:
                if await self._look():
                    await asyncio.sleep(TOGETHER)
        except (redis.RedisError, OSError) as error:
            for reader in self.readers:
                reader.fail(error)
        finally:
            # nobody may join while it closes
            self.over = True
            await self.client.aclose()

    async def _look(self) -> bool:
        """Tells what came. Whether anything did."""
        waiting: dict[str, list[_Reader]] = {}
        for reader in self.readers:
            if not reader.behind:
                waiting.setdefault(reader.key, []).append(reader)
        places: dict[Any, Any] = {
            key: f"{min(reader.told for reader in readers)}-0" for key, readers in waiting.items()
        }
        places[self._bell] = self._rung
        answer: Any = await self.client.xread(places, block=round(LONGEST_LOOK * 1000))
        news = {key.decode(): rows for key, rows in answer or ()}
        if rung := news.pop(self._bell, None):
            self._rung = rung[-1][0].decode()
        for key, rows in news.items():
            entries = _entries(rows)
            for reader in waiting[key]:
                reader.hear(entries)
        return bool(news)


class _Reader:
    """One who follows a turn. Whoever has just come, or did not take what came, reads for themself first."""

    def __init__(self, tail: _Tail, key: str, after: int) -> None:
        self.key = key
        # as far as the tail has told, or what was read
        self.told = after
        self.behind = True
        self._tail = tail
        self._news: list[Entry] = []
        self._came = asyncio.Event()
        self._error: Exception | None = None

    async def wait(self, at_most: float) -> list[Entry]:
        if self._error is not None:
            raise self._error
        if self.behind:
            await self._catch_up()
        if not self._news and at_most > 0:
            self._came.clear()
            try:
                async with asyncio.timeout(at_most):
                    await self._came.wait()
            except TimeoutError:
                return []
            if self._error is not None:
                raise self._error
        news, self._news = self._news, []
        return news

    def hear(self, entries: list[Entry]) -> None:
        """The tail has these, among others that were told before."""
        fresh = [entry for entry in entries if entry.number > self.told]
        if not fresh:
            return
        self.told = fresh[-1].number
        self._news += fresh
        self._came.set()
        if len(self._news) > MOST_KEPT:
            self.told, self.behind = self._news[0].number - 1, True
            self._news.clear()

    def fail(self, error: Exception) -> None:
        """The tail has ended: the stream breaks off, and the browser asks again from where it was."""
        self._error = error
        self._came.set()

    async def _catch_up(self) -> None:
        self._news = _entries(await self._tail.client.xrange(self.key, min=f"({self.told}-0"))
        self.told = self._news[-1].number if self._news else self.told
        self.behind = False
        await self._tail.ring()


def _key(turn_id: uuid.UUID) -> str:
    return f"turn:{turn_id}"


def _arguments(events: Iterable[TurnEvent]) -> list[str | int]:
    return [FORGOTTEN_AFTER, *(event.encoded() for event in events)]


def _entries(rows: Any) -> list[Entry]:
    decoded = ((int(number.split(b"-")[0]), TurnEvent.decoded(fields[b"event"])) for number, fields in rows)
    return [Entry(number, event) for number, event in decoded if event is not None]
