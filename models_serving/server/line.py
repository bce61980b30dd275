"""The front's end of the socket to one model process: requests go out, events come back. See `worker` for the words."""

import asyncio
import itertools
import socket
import time
from collections.abc import AsyncGenerator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from models_serving.contracts import TokenChance
from models_serving.server.frames import packed, read
from models_serving.server.metrics import Tally
from models_serving.server.wire import ApiError

BROKEN = "the model's process has ended"


@dataclass(frozen=True, slots=True)
class Asking:
    """What a model is asked: prompts (conversations as lists of messages, texts, or lists of token ids), `choices`
    answers to each, the sampling parameters that were sent, and how many seconds it may take, the queue included.
    `key` is whose request it is, for a fair order; one that is not `live` is a job that nobody waits for. A `probe` is
    our own question whether the model answers; it is counted nowhere. `usual` is how many tokens an answer has where
    nothing is said of it; `names`, which parameters whoever asks knows by another name than the engine."""

    model: str
    prompts: Sequence[Any]
    choices: int
    wanted: Mapping[str, Any]
    seconds: float
    key: str = ""
    live: bool = True
    probe: bool = False
    usual: int | None = None
    names: Mapping[str, str] = field(default_factory=dict)


# Not frozen: there is one for every token, and that would make it three times as dear.
@dataclass(slots=True)
class Piece:
    """A piece of the text of one answer: whole characters, never empty. `tokens`: those whose text ends in it, where
    log-probabilities were asked for."""

    index: int
    text: str
    tokens: Sequence[TokenChance] = ()


@dataclass(frozen=True, slots=True)
class Over:
    """The end of one answer. Times are seconds from its submission."""

    index: int
    reason: str
    prompt_tokens: int = 0
    completion_tokens: int = 0
    timings: Mapping[str, float | None] = field(default_factory=dict)
    sampling: Mapping[str, Any] = field(default_factory=dict)
    reused_tokens: int = 0
    put_back: int = 0
    error: str = ""


Event = Piece | Over
_TIMES = ("started", "first_token", "last_token", "finished")


class Exchange:
    """One request on its way. However it is left, its places are given back."""

    def __init__(self, line: "Line", number: int, asking: Asking) -> None:
        self.asking = asking
        self._line = line
        self._number = number
        # What was heard and not fetched, and what ended it all before its time, which comes after that.
        self._events: list[Event] = []
        self._error: ApiError | None = None
        self._something = asyncio.Event()
        self.answers = self._untold = len(asking.prompts) * asking.choices
        # For the line: whether anything came, and how many answers have not ended.
        self.heard = False
        self.left = self.answers

    def put(self, event: Event) -> None:
        """The line heard this. After an error it is of no use any more."""
        self.heard = True
        if not self._error:
            self._events.append(event)
            self._something.set()

    def fail(self, error: ApiError) -> None:
        """It comes to nothing, after what was heard before."""
        self.heard = True
        self._error = error
        self._something.set()

    async def begun(self) -> None:
        """Return when the model has said anything. Raises the `ApiError` with which it declined."""
        await self._something.wait()
        if self._error and not self._events:
            raise self._error

    async def events(self) -> AsyncGenerator[list[Event]]:
        """Events of all answers until each has ended: what came since the last look, at least one. Raises `ApiError`
        where they come to nothing."""
        try:
            while self._untold:
                await self._something.wait()
                if not self._events and self._error:
                    raise self._error
                events, self._events = self._events, []
                if not self._error:
                    self._something.clear()
                self._untold -= sum(isinstance(event, Over) for event in events)
                yield events
        finally:
            self.cancel()

    def cancel(self) -> None:
        """Let go of what still runs."""
        if self.left:
            self._line.cancel(self._number)


class Line:
    """A model process, as far as it can be heard. Belongs to one event loop."""

    def __init__(self, connection: socket.socket, tally: Tally) -> None:
        self._connection = connection
        self._tally = tally
        self._numbers = itertools.count(1)
        self._exchanges: dict[int, Exchange] = {}
        self._questions: dict[int, asyncio.Future[Mapping[str, Any]]] = {}
        self._said: asyncio.Queue[Mapping[str, Any] | None] = asyncio.Queue()
        self._writer: asyncio.StreamWriter | None = None
        self._listening: asyncio.Task[None] | None = None
        self.last_piece = 0.0
        self.broken = asyncio.Event()

    async def open(self) -> None:
        """Begin to listen."""
        reader, self._writer = await asyncio.open_unix_connection(sock=self._connection)
        self._listening = asyncio.create_task(self._listen(reader))

    def close(self) -> None:
        """The process hears that nobody is there any more, and ends."""
        if self._writer is not None:
            self._writer.close()
        if self._listening is not None:
            self._listening.cancel()

    @property
    def in_flight(self) -> int:
        """Requests that have not ended, cancelled ones included until the engine has let go of them."""
        return len(self._exchanges)

    def say(self, message: Mapping[str, Any]) -> None:
        """Send it. Where nobody is, nothing happens: `broken` says so."""
        if self._writer is not None and not self.broken.is_set():
            self._writer.write(packed([message]))

    async def next(self, word: str) -> Any:
        """What the process says by this word; `None` when it ended first. Raises `RefusedError`."""
        while (message := await self._said.get()) is not None:
            if "refused" in message:
                raise RefusedError(message["refused"])
            if word in message:
                return message[word]
        return None

    def ask(self, asking: Asking) -> Exchange:
        """Send a request."""
        number = next(self._numbers)
        exchange = Exchange(self, number, asking)
        if self.broken.is_set():
            exchange.fail(ApiError(503, BROKEN, code="model_unhealthy", retry_after=1))
            return exchange
        self._exchanges[number] = exchange
        self.say(
            {
                "ask": number,
                "model": asking.model,
                "prompts": asking.prompts,
                "choices": asking.choices,
                "wanted": asking.wanted,
                "seconds": asking.seconds,
                "key": asking.key,
                "live": asking.live,
                "probe": asking.probe,
                "usual": asking.usual,
                # The time that it takes to make a prompt of it is part of its waiting.
                "came": time.monotonic(),
            }
        )
        return exchange

    def cancel(self, number: int) -> None:
        """Let go of a request."""
        self.say({"cancel": number})

    async def state(self) -> Mapping[str, Any]:
        """How the process is: alive, load, seconds since the last step, bytes. Raises `ConnectionError`."""
        if self.broken.is_set():
            raise ConnectionError(BROKEN)
        number = next(self._numbers)
        answer: asyncio.Future[Mapping[str, Any]] = asyncio.get_running_loop().create_future()
        self._questions[number] = answer
        self.say({"how": number})
        try:
            return await answer
        finally:
            self._questions.pop(number, None)

    async def _listen(self, reader: asyncio.StreamReader) -> None:
        try:
            while True:
                for message in await read(reader):
                    self._take(message)
        except (asyncio.IncompleteReadError, OSError):
            pass
        finally:
            self._break()

    def _take(self, message: Mapping[str, Any]) -> None:
        if "n" not in message:
            self._said.put_nowait(message)
        elif "told" in message:
            if (question := self._questions.get(message["n"])) and not question.done():
                question.set_result(message["told"])
        elif exchange := self._exchanges.get(message["n"]):
            if "declined" in message:
                exchange.left = 0
                exchange.fail(_declined(message["declined"], exchange.asking.names))
                if not exchange.asking.probe:
                    self._tally.declined(message["declined"]["status"])
            else:
                self._take_event(exchange, _event(message))
            if not exchange.left:
                del self._exchanges[message["n"]]

    def _take_event(self, exchange: Exchange, event: Event) -> None:
        late = isinstance(event, Over) and event.reason == "deadline" and event.timings["started"] is None
        if late and not exchange.heard:
            # An answer that never began is none: who asked may come again.
            text = f"no place came free within {exchange.asking.seconds:g} s"
            exchange.fail(ApiError(503, text, code="deadline", retry_after=1))
        else:
            exchange.put(event)
        if isinstance(event, Over):
            exchange.left -= 1
            if not exchange.asking.probe:
                self._tally.over(event.reason, event.prompt_tokens, event.completion_tokens)
        else:
            self.last_piece = time.monotonic()

    def _break(self) -> None:
        self.broken.set()
        self._said.put_nowait(None)
        for question in self._questions.values():
            if not question.done():
                question.set_exception(ConnectionError(BROKEN))
        for exchange in self._exchanges.values():
            if not exchange.asking.probe:
                self._tally.lost(exchange.left)
            exchange.left = 0
            # Not the word for a model that is being started: it may have been this request that ended it.
            exchange.fail(ApiError(500, BROKEN, code="model_ended"))
        self._exchanges.clear()


class RefusedError(Exception):
    """The model cannot be served; the message says why."""


def _declined(said: Mapping[str, Any], names: Mapping[str, str]) -> ApiError:
    """The refusal in the words of whoever asked."""
    own = said.get("param", "")
    if theirs := names.get(own):
        said = {**said, "param": theirs, "message": said["message"].replace(own, theirs)}
    return ApiError(**said)


def _event(message: Mapping[str, Any]) -> Event:
    if "tokens" in message:
        tokens = [
            TokenChance(text, logprob, tuple((other, value) for other, value in top))
            for text, logprob, top in message["tokens"]
        ]
        return Piece(message["index"], message["text"], tokens)
    if "text" in message:
        return Piece(message["index"], message["text"])
    ended = message["ended"]
    return Over(
        message["index"],
        ended["reason"],
        ended["prompt_tokens"],
        ended["completion_tokens"],
        {name: ended[name] for name in _TIMES},
        ended["sampling"],
        ended["reused_tokens"],
        ended["put_back"],
        ended["error"],
    )
