"""One answer on its way from the engine to a client: events from the engine's thread, OpenAI's words, and a watch on
whether the client is still there."""

import asyncio
import contextlib
import time
import uuid
from collections.abc import AsyncGenerator, Callable, Sequence
from typing import Any

from starlette.responses import JSONResponse, Response
from starlette.types import Receive, Scope, Send

from models_serving import wire
from models_serving.contracts import Chunk, TokenChance
from models_serving.engine.opening import OpenModel
from models_serving.engine.parameters import Parameters
from models_serving.engine.requests import Asking, Ended, Ticket
from models_serving.wire import ApiError, ChatBody


class Answers:
    """The choices of one request while they are generated. However it is left, their slots are given back."""

    def __init__(self, model: OpenModel, prepared: list[tuple[list[int], Parameters]], asking: Asking) -> None:
        self._loop = asyncio.get_running_loop()
        self._queue: asyncio.Queue[tuple[int, Chunk | Ended]] = asyncio.Queue()
        listeners = [self._listener(index) for index in range(len(prepared))]
        self._tickets: list[Ticket] = model.engine.submit(prepared, listeners, asking)

    def _listener(self, index: int) -> Callable[[Chunk | Ended], None]:
        def hear(event: Chunk | Ended) -> None:
            # The loop may be gone when the process ends; then nobody listens any more.
            with contextlib.suppress(RuntimeError):
                self._loop.call_soon_threadsafe(self._queue.put_nowait, (index, event))

        return hear

    async def events(self) -> AsyncGenerator[tuple[int, Chunk | Ended]]:
        """Events of all choices, each with its index, until every choice has ended."""
        left = len(self._tickets)
        try:
            while left:
                index, event = await self._queue.get()
                left -= isinstance(event, Ended)
                yield index, event
        finally:
            self.cancel()

    def cancel(self) -> None:
        """Let go of what still runs."""
        for ticket in self._tickets:
            ticket.cancel()


class Telling:
    """How an answer is put in OpenAI's words."""

    def __init__(self, model: OpenModel, body: ChatBody, parameters: list[Parameters]) -> None:
        self.body = body
        self._model = model
        self._parameters = parameters
        self._ends: dict[int, Ended] = {}
        self.head = {
            "id": f"chatcmpl-{uuid.uuid4().hex}",
            "created": int(time.time()),
            "model": model.name,
            "system_fingerprint": model.fingerprint,
        }

    def _report(self, index: int, ended: Ended) -> dict[str, Any]:
        times = ("started", "first_token", "last_token", "finished")
        return {
            "revision": self._model.facts,
            "fingerprint": self._model.fingerprint,
            "sampling": self._parameters[index].report(),
            "timings": {name: getattr(ended, name) for name in times},
            "put_back": ended.put_back,
        }

    def _usage(self) -> dict[str, int]:
        ends = self._ends.values()
        # The prompt is the same for all choices and is counted once.
        return wire.usage(
            max(end.prompt_tokens for end in ends),
            sum(end.completion_tokens for end in ends),
            reused_tokens=min(end.reused_tokens for end in ends),
        )

    def _logprobs(self, tokens: Sequence[TokenChance]) -> dict[str, Any] | None:
        return wire.logprobs(tokens) if self._parameters[0].logprobs else None

    async def stream(self, answers: Answers) -> AsyncGenerator[bytes]:
        """The events of a streamed answer."""
        for index in range(self.body.n):
            yield wire.chunk(self.head, index, {"role": "assistant", "content": ""})
        async with contextlib.aclosing(answers.events()) as events:
            async for index, event in events:
                if isinstance(event, Chunk):
                    yield wire.chunk(self.head, index, {"content": event.text}, logprobs=self._logprobs(event.tokens))
                elif error := _error_of(event):
                    yield wire.event(error.body())
                    return
                else:
                    self._ends[index] = event
                    report = self._report(index, event)
                    yield wire.chunk(self.head, index, {}, event.reason, plurivox=report)
        if self.body.stream_options and self.body.stream_options.include_usage:
            counted = {"choices": [], "usage": self._usage()}
            yield wire.event({**self.head, "object": "chat.completion.chunk", **counted})
        yield wire.DONE

    async def whole(self, answers: Answers) -> dict[str, Any]:
        """An answer in one piece. Raises `ApiError` when it could not be generated."""
        texts = [""] * self.body.n
        tokens: list[list[TokenChance]] = [[] for _ in texts]
        async with contextlib.aclosing(answers.events()) as events:
            async for index, event in events:
                if isinstance(event, Chunk):
                    texts[index] += event.text
                    tokens[index] += event.tokens
                elif error := _error_of(event):
                    raise error
                else:
                    self._ends[index] = event
        choices = [
            {
                "index": index,
                "message": {"role": "assistant", "content": text},
                "logprobs": self._logprobs(tokens[index]),
                "finish_reason": self._ends[index].reason,
                "plurivox": self._report(index, self._ends[index]),
            }
            for index, text in enumerate(texts)
        ]
        return {**self.head, "object": "chat.completion", "choices": choices, "usage": self._usage()}


def _error_of(ended: Ended) -> ApiError | None:
    match ended.reason:
        case "error":
            return ApiError(500, ended.error, code="engine_failed")
        case "cancelled":
            return ApiError(503, "the server is going down", code="shutting_down", retry_after=5)
    return None


class ChatResponse(Response):
    """Sends an answer while it watches whether the client is still there; one that leaves frees its slots."""

    def __init__(self, told: Telling, answers: Answers) -> None:
        super().__init__(status_code=200)
        self._told = told
        self._answers = answers

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        sending = self._stream(send) if self._told.body.stream else self._whole(scope, receive, send)
        tasks = [asyncio.create_task(sending), asyncio.create_task(_gone(receive))]
        try:
            await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
        finally:
            self._answers.cancel()
            for task in tasks:
                task.cancel()
            results = await asyncio.gather(*tasks, return_exceptions=True)
        if isinstance(error := results[0], Exception) and not isinstance(error, OSError):
            raise error

    async def _stream(self, send: Send) -> None:
        headers = [(b"content-type", b"text/event-stream; charset=utf-8"), (b"cache-control", b"no-store")]
        await send({"type": "http.response.start", "status": 200, "headers": headers})
        async with contextlib.aclosing(self._told.stream(self._answers)) as parts:
            async for part in parts:
                await send({"type": "http.response.body", "body": part, "more_body": True})
        await send({"type": "http.response.body", "body": b"", "more_body": False})

    async def _whole(self, scope: Scope, receive: Receive, send: Send) -> None:
        try:
            answer: Response = JSONResponse(await self._told.whole(self._answers))
        except ApiError as error:
            answer = error_response(error)
        await answer(scope, receive, send)


async def _gone(receive: Receive) -> None:
    while (await receive())["type"] != "http.disconnect":
        pass


def error_response(error: ApiError) -> JSONResponse:
    """The error as an HTTP answer."""
    headers = {"Retry-After": str(error.retry_after)} if error.retry_after else None
    return JSONResponse(error.body(), status_code=error.status, headers=headers)
