"""Any server that answers the OpenAI chat API with a stream: our own, vLLM, SGLang, TGI, Ollama, llama.cpp, Ray Serve,
hosted providers. What differs between them stands in `dialects.py`.

The options of an endpoint, all optional:

    include_usage  ask for token counts on the last chunk (default true; some servers refuse the question)
    extra_body     further members of the body, sent as they are and recorded like the rest
"""

import asyncio
import json
from collections.abc import AsyncGenerator, AsyncIterator, Generator, Iterator, Mapping
from contextlib import aclosing
from typing import Any

import httpx

from models_serving import outbound
from models_serving.backends.base import BackendError, Piece, known_options
from models_serving.backends.chunks import ERROR_CHARS, ChunkReader
from models_serving.backends.dialects import Dialect, dialect_named
from models_serving.backends.door import Door, asome, some
from models_serving.backends.probing import told_version, what_it_serves
from models_serving.contracts import Endpoint, GenerationRequest, Report
from models_serving.limits import PhaseClock

_OPTIONS = frozenset({"include_usage", "extra_body"})
_OURS = frozenset({"model", "messages", "stream", "stream_options"})


class OpenAICompatible:
    """The backend `openai_compatible`. Source of the protocol: the API reference of OpenAI's chat completions."""

    def body(self, endpoint: Endpoint, request: GenerationRequest) -> Mapping[str, Any]:
        options = known_options(endpoint, _OPTIONS)
        dialect = dialect_named(endpoint.dialect)
        wanted = _named(dialect, request.sampling.sent()) | (_order(request) if dialect.queues else {})
        extra = dict(options.get("extra_body", {}))
        if clash := sorted(set(extra) & (_OURS | set(wanted))):
            raise BackendError("refused", f"extra_body would change {', '.join(clash)}")
        messages = [{"role": message.role, "content": message.content} for message in request.messages]
        body: dict[str, Any] = {"model": request.model, "messages": messages, "stream": True}
        if options.get("include_usage", True):
            body["stream_options"] = {"include_usage": True}
        return body | wanted | extra

    def pieces(
        self,
        endpoint: Endpoint,
        request: GenerationRequest,
        body: Mapping[str, Any],
        clock: PhaseClock,
        report: dict[str, Any],
    ) -> Generator[Piece]:
        door = Door(endpoint)
        reader = _reader(endpoint, request, door, report)
        with door.errors(), outbound.sync_client(clock) as client:
            headers = door.headers() | {"Content-Type": "application/json"}
            with client.stream("POST", door.at("chat/completions"), content=_encoded(body), headers=headers) as answer:
                if not reader.is_stream(answer.status_code, answer.headers):
                    door.refuse(answer, some(answer.iter_raw()))
                for received in _until_complete(answer.iter_raw(), reader, clock):
                    yield from reader.feed(received)
        yield reader.end()

    async def apieces(
        self,
        endpoint: Endpoint,
        request: GenerationRequest,
        body: Mapping[str, Any],
        clock: PhaseClock,
        report: dict[str, Any],
    ) -> AsyncGenerator[Piece]:
        door = Door(endpoint)
        reader = _reader(endpoint, request, door, report)
        with door.errors():
            async with outbound.async_client(clock) as client:
                headers = door.headers() | {"Content-Type": "application/json"}
                asked = client.stream("POST", door.at("chat/completions"), content=_encoded(body), headers=headers)
                async with asked as answer:
                    if not reader.is_stream(answer.status_code, answer.headers):
                        door.refuse(answer, await asome(answer.aiter_raw()))
                    async with aclosing(_auntil_complete(answer.aiter_raw(), reader, clock)) as parts:
                        async for received in parts:
                            for piece in reader.feed(received):
                                yield piece
        yield reader.end()

    def probe(self, endpoint: Endpoint, model: str, clock: PhaseClock) -> Report:
        try:
            known_options(endpoint, _OPTIONS)
        except BackendError as error:
            return Report(reachable=False, serves=False, error=str(error))
        return what_it_serves(endpoint, model, clock)

    def version(self, endpoint: Endpoint, clock: PhaseClock) -> str:
        """What the server says is its version; empty where it does not."""
        return told_version(endpoint, clock)


def _reader(endpoint: Endpoint, request: GenerationRequest, door: Door, report: dict[str, Any]) -> ChunkReader:
    stops = request.sampling.stop if dialect_named(endpoint.dialect).leaves_stops else ()
    return ChunkReader(request.limits.max_chars, door.clean, stops, report)


def _until_complete(parts: Iterator[bytes], reader: ChunkReader, clock: PhaseClock) -> Iterator[bytes]:
    """What arrives. Once the text is complete nothing is waited for for long, and nothing that breaks then breaks it:
    some servers leave the connection open, or cut it, where others say `[DONE]`."""
    try:
        for part in parts:
            yield part
            if reader.done:
                return
            if reader.is_complete:
                clock.ending()
    except httpx.TransportError:
        if not reader.is_complete:
            raise


async def _auntil_complete(
    parts: AsyncIterator[bytes], reader: ChunkReader, clock: PhaseClock
) -> AsyncGenerator[bytes]:
    """The same in an event loop, where whoever awaits ends the waiting."""
    try:
        while True:
            if reader.is_complete:
                async with asyncio.timeout(clock.left()):
                    part = await anext(parts, None)
            else:
                # whoever asked keeps the time
                part = await anext(parts, None)
            if part is None:
                return
            yield part
            if reader.done:
                return
            if reader.is_complete:
                clock.ending()
    except (httpx.TransportError, TimeoutError):
        if not reader.is_complete:
            raise


def _named(dialect: Dialect, sampling: Mapping[str, Any]) -> dict[str, Any]:
    """The parameters by the names that the server knows. Raises where it takes fewer stop strings than are wanted."""
    stops = sampling.get("stop", ())
    if dialect.most_stops is not None and len(stops) > dialect.most_stops:
        raise BackendError("refused", f"{dialect.name} takes {dialect.most_stops} stop strings at most")
    return {dialect.names.get(name, name): value for name, value in sampling.items()}


def _order(request: GenerationRequest) -> dict[str, Any]:
    """Whose request it is; above 0, that nobody waits for it; and how long the model shall not leave for another."""
    order: dict[str, Any] = {"user": request.key} if request.key else {}
    return order | ({} if request.live else {"priority": 1}) | ({"hold_seconds": request.hold} if request.hold else {})


def _encoded(body: Mapping[str, Any]) -> bytes:
    """Strict JSON; text that is no Unicode and numbers that are none are refused before anything goes out."""
    try:
        return json.dumps(body, ensure_ascii=False, allow_nan=False).encode()
    except (ValueError, TypeError) as error:
        raise BackendError("refused", f"the request cannot be written as JSON: {error}"[:ERROR_CHARS]) from error
