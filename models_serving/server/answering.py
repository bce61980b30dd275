"""One answer on its way from a model's process to a client: OpenAI's words, and a watch on whether the client is still
there."""

import asyncio
import contextlib
import logging
import time
import uuid
from collections import defaultdict
from collections.abc import AsyncGenerator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from starlette.responses import JSONResponse, Response
from starlette.types import Receive, Scope, Send

from models_serving.server import wording
from models_serving.server.line import Event, Exchange, Over
from models_serving.server.wire import ApiError
from models_serving.server.wording import Form, Placed

log = logging.getLogger(__name__)


@dataclass
class _Said:
    """One answer, as far as it has come. `length`: of its text, in characters."""

    parts: list[str] = field(default_factory=list)
    length: int = 0
    tokens: list[Placed] = field(default_factory=list)
    over: Over | None = None


class Telling:
    """How answers are put in OpenAI's words. `described` is what the model's process said of the model: its facts and
    their fingerprint. `choices` answers belong to each prompt."""

    def __init__(
        self, form: Form, model: str, described: Mapping[str, Any], *, choices: int, usage: bool, chances: bool
    ) -> None:
        self._form = form
        self._described = described
        self._choices = choices
        self._counts = usage
        self._chances = chances
        self._answers: defaultdict[int, _Said] = defaultdict(_Said)
        self.error: ApiError | None = None
        self._head = {
            "id": f"{form.prefix}-{uuid.uuid4().hex}",
            "created": int(time.time()),
            "model": model,
            "system_fingerprint": described["fingerprint"],
        }
        self._piece_head = self._head | {"object": form.piece_object}
        self._pieces = wording.Pieces(form, self._piece_head)

    async def stream(self, exchange: Exchange) -> AsyncGenerator[bytes]:
        """The events of a streamed answer, those that came together in one part. An error is the last event."""
        openings = (self._form.opening(index) for index in range(exchange.answers))
        if opening := b"".join(self._event(choice) for choice in openings if choice):
            yield opening
        try:
            async with contextlib.aclosing(exchange.events()) as events:
                async for some in events:
                    yield self._told(some)
                    if self.error:
                        return
        except ApiError as error:
            yield self._failed(error)
            return
        if self._counts:
            yield wording.event({**self._piece_head, "choices": [], "usage": self._usage()})
        yield wording.DONE

    async def whole(self, exchange: Exchange) -> dict[str, Any]:
        """All answers in one piece. Raises `ApiError` when one could not be generated."""
        async with contextlib.aclosing(exchange.events()) as events:
            async for some in events:
                for event in some:
                    self._note(event)
        choices = []
        for index, said in sorted(self._answers.items()):
            over = said.over or Over(index, "error")
            choice = self._form.whole(index, "".join(said.parts), said.tokens if self._chances else None, over.reason)
            choices.append(choice | {"plurivox": self._report(over)})
        return {**self._head, "object": self._form.whole_object, "choices": choices, "usage": self._usage()}

    def summary(self, answers: int) -> str:
        """What came of so many answers, in one line for the log: nothing of what was said."""
        if self.error:
            return f"{self._head['model']}: {self.error.short}"
        overs = [said.over for _, said in sorted(self._answers.items()) if said.over]
        reasons = ", ".join(over.reason for over in overs) or "left"
        if len(overs) < answers:
            return f"{self._head['model']}: {reasons}: {len(overs)} of {answers} answers when the client left"
        counts, times = self._usage(), overs[0].timings
        waits = ", ".join(
            f"{name.replace('_', ' ')} {times[name]:.3f} s"
            for name in ("started", "first_token", "finished")
            if times[name] is not None
        )
        tokens = f"{counts['prompt_tokens']} + {counts['completion_tokens']} tokens"
        return f"{self._head['model']}: {reasons}: {tokens}, {waits}"

    def _told(self, some: Sequence[Event]) -> bytes:
        """These events in words. Where one is the end of all, it is noted as the error, and the last."""
        parts = []
        for event in some:
            try:
                tokens = self._note(event)
            except ApiError as error:
                parts.append(self._failed(error))
                break
            chances = tokens if self._chances else None
            if isinstance(event, Over):
                end = self._form.piece(event.index, "", chances, event.reason)
                parts.append(self._event(end, plurivox=self._report(event)))
            elif chances is None:
                parts.append(self._pieces.event(event.index, event.text))
            else:
                parts.append(self._event(self._form.piece(event.index, event.text, chances, None)))
        return b"".join(parts)

    def _event(self, choice: Mapping[str, Any], **members: Any) -> bytes:
        return wording.event({**self._piece_head, "choices": [choice], **members})

    def _failed(self, error: ApiError) -> bytes:
        self.error = error
        return wording.event(error.body())

    def _note(self, event: Event) -> list[Placed]:
        """Returns the tokens that came with it."""
        said = self._answers[event.index]
        if isinstance(event, Over):
            if error := _error_of(event):
                raise error
            said.over = event
            return []
        tokens = wording.placed(event.tokens, event.text, said.length)
        said.parts.append(event.text)
        said.length += len(event.text)
        said.tokens += tokens
        return tokens

    def _report(self, over: Over) -> dict[str, Any]:
        return {
            "revision": self._described["facts"],
            "fingerprint": self._described["fingerprint"],
            "sampling": over.sampling,
            "timings": over.timings,
            "put_back": over.put_back,
        }

    def _usage(self) -> dict[str, Any]:
        overs = [said.over for _, said in sorted(self._answers.items()) if said.over]
        # A prompt is the same for all of its choices and is counted once.
        prompts = [overs[first : first + self._choices] for first in range(0, len(overs), self._choices)]
        return wording.usage(
            sum(answers[0].prompt_tokens for answers in prompts),
            sum(over.completion_tokens for over in overs),
            reused_tokens=sum(min(over.reused_tokens for over in answers) for answers in prompts),
        )


def _error_of(over: Over) -> ApiError | None:
    match over.reason:
        case "error":
            return ApiError(500, over.error, code="engine_failed")
        case "cancelled":
            return ApiError(503, "the server is going down", code="shutting_down", retry_after=5)
    return None


class AnswerResponse(Response):
    """Sends an answer while it watches whether the client is still there; one that leaves frees its places."""

    def __init__(self, told: Telling, exchange: Exchange, *, streamed: bool) -> None:
        super().__init__(status_code=200)
        self._told = told
        self._exchange = exchange
        self._streamed = streamed

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        sending = self._stream(scope, receive, send) if self._streamed else self._whole(scope, receive, send)
        tasks = [asyncio.create_task(sending), asyncio.create_task(_gone(receive))]
        try:
            await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
        finally:
            self._exchange.cancel()
            for task in tasks:
                task.cancel()
            results = await asyncio.gather(*tasks, return_exceptions=True)
            log.info("%s", self._told.summary(self._exchange.answers))
        if isinstance(error := results[0], Exception) and not isinstance(error, OSError):
            raise error

    async def _stream(self, scope: Scope, receive: Receive, send: Send) -> None:
        try:
            # What the model declines is an answer of its own, not a stream.
            await self._exchange.begun()
        except ApiError as error:
            self._told.error = error
            await error_response(error)(scope, receive, send)
            return
        headers = [(b"content-type", b"text/event-stream; charset=utf-8"), (b"cache-control", b"no-store")]
        await send({"type": "http.response.start", "status": 200, "headers": headers})
        async with contextlib.aclosing(self._told.stream(self._exchange)) as parts:
            async for part in parts:
                await send({"type": "http.response.body", "body": part, "more_body": True})
        await send({"type": "http.response.body", "body": b"", "more_body": False})

    async def _whole(self, scope: Scope, receive: Receive, send: Send) -> None:
        try:
            answer: Response = JSONResponse(await self._told.whole(self._exchange))
        except ApiError as error:
            self._told.error = error
            answer = error_response(error)
        await answer(scope, receive, send)


async def _gone(receive: Receive) -> None:
    while (await receive())["type"] != "http.disconnect":
        pass


def error_response(error: ApiError) -> JSONResponse:
    """The error as an HTTP answer."""
    headers = {"Retry-After": str(error.retry_after)} if error.retry_after else None
    return JSONResponse(error.body(), status_code=error.status, headers=headers)
