"""Any server that answers the OpenAI chat API with a stream: our own, vLLM, SGLang, TGI, Ollama, llama.cpp, Ray Serve,
hosted providers. What differs between them stands in `dialects.py`.

The options of an endpoint, all optional:

    include_usage  ask for token counts on the last chunk (default true; some servers refuse the question)
    extra_body     further members of the body, sent as they are and recorded like the rest
"""

import asyncio
import json
import os
import re
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Generator, Iterator, Mapping
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import Any, NoReturn

import httpx

from models_serving import outbound
from models_serving.backends.base import BackendError, Piece, known_options
from models_serving.backends.chunks import ERROR_CHARS, ChunkReader, message_of, revision_facts, type_of
from models_serving.backends.dialects import Dialect, context_of, dialect_named, recognised
from models_serving.backends.foreign import parsed, plain, storable
from models_serving.contracts import Endpoint, FailureKind, GenerationRequest, Report
from models_serving.limits import PhaseClock

_OPTIONS = frozenset({"include_usage", "extra_body"})
_OURS = frozenset({"model", "messages", "stream", "stream_options"})
_ERROR_BYTES = 64_000


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
        door = _Door(endpoint)
        reader = _reader(endpoint, request, door, report)
        with door.errors(), outbound.sync_client(clock) as client:
            headers = door.headers() | {"Content-Type": "application/json"}
            with client.stream("POST", door.at("chat/completions"), content=_encoded(body), headers=headers) as answer:
                if not reader.is_stream(answer.status_code, answer.headers):
                    door.refuse(answer, _some(answer.iter_raw()))
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
        door = _Door(endpoint)
        reader = _reader(endpoint, request, door, report)
        with door.errors():
            async with outbound.async_client(clock) as client:
                headers = door.headers() | {"Content-Type": "application/json"}
                asked = client.stream("POST", door.at("chat/completions"), content=_encoded(body), headers=headers)
                async with asked as answer:
                    if not reader.is_stream(answer.status_code, answer.headers):
                        door.refuse(answer, await _asome(answer.aiter_raw()))
                    async for received in _auntil_complete(answer.aiter_raw(), reader, clock):
                        for piece in reader.feed(received):
                            yield piece
        yield reader.end()

    def probe(self, endpoint: Endpoint, model: str, clock: PhaseClock) -> Report:
        answered = False
        try:
            known_options(endpoint, _OPTIONS)
            door = _Door(endpoint)
            with (
                door.errors(),
                outbound.sync_client(clock) as client,
                client.stream("GET", door.at("models"), headers=door.headers()) as answer,
            ):
                answered = True
                said = _some(answer.iter_raw(), 4_000_000)
                if answer.status_code != 200:
                    door.refuse(answer, said)
        except BackendError as error:
            return Report(reachable=answered, serves=False, error=str(error))
        except TimeoutError:
            return Report(reachable=answered, serves=False, error=clock.overdue())
        return _report(said, model, door.clean)

    def version(self, endpoint: Endpoint, clock: PhaseClock) -> str:
        """What the server says is its version, at the address where its dialect tells; empty where it does not."""
        about = dialect_named(endpoint.dialect).about
        if about is None:
            return ""
        path, member = about
        try:
            door = _Door(endpoint)
            with (
                door.errors(),
                outbound.sync_client(clock) as client,
                client.stream("GET", door.at_root(path), headers=door.headers()) as answer,
            ):
                said = _some(answer.iter_raw())
                found = parsed(said) if answer.status_code == 200 else {}
        except (BackendError, TimeoutError, ValueError):
            return ""
        return door.clean(str(found.get(member, "")))[:100] if isinstance(found, dict) else ""


class _Door:
    """An endpoint's address and key. The key goes into one header and is struck out of everything that comes back."""

    def __init__(self, endpoint: Endpoint) -> None:
        try:
            self._base = str(outbound.check_url(endpoint.url)).rstrip("/")
        except outbound.OutboundError as error:
            raise BackendError("refused", str(error)) from error
        self._key = os.environ.get(endpoint.api_key_env, "").strip() if endpoint.api_key_env else ""
        if endpoint.api_key_env and not self._key:
            raise BackendError("refused", f"the environment variable {endpoint.api_key_env} holds no key")
        if not (self._key.isascii() and self._key.isprintable()):
            raise BackendError("refused", f"the key in {endpoint.api_key_env} cannot be sent in a header")

    def at(self, path: str) -> str:
        return f"{self._base}/{path}"

    def at_root(self, path: str) -> str:
        """Servers tell about themselves beside `/v1`, not below it."""
        return f"{self._base.removesuffix('/v1')}/{path}"

    def headers(self) -> dict[str, str]:
        # A compressed stream may be held back by whoever compresses it.
        headers = {"Accept": "text/event-stream, application/json", "Accept-Encoding": "identity"}
        return headers | ({"Authorization": f"Bearer {self._key}"} if self._key else {})

    def clean(self, text: str) -> str:
        """What the other side said, without the key, and fit to be stored."""
        return plain(text.replace(self._key, "***") if self._key else text)

    def errors(self) -> "_Errors":
        return _Errors(self)

    def refuse(self, answer: httpx.Response, said: bytes) -> NoReturn:
        """Turn an answer that is no stream into the failure that it means."""
        if answer.status_code == 200:
            said_so = f"the answer is {type_of(answer.headers) or 'of no type'} and no event stream: {message_of(said)}"
            raise BackendError("broken", self.clean(said_so)[:ERROR_CHARS])
        message = self.clean(f"HTTP {answer.status_code}: {message_of(said)}")[:ERROR_CHARS]
        raise BackendError(_kind(answer.status_code), message, retry_after=_retry_after(answer.headers))


def _reader(endpoint: Endpoint, request: GenerationRequest, door: _Door, report: dict[str, Any]) -> ChunkReader:
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


async def _auntil_complete(parts: AsyncIterator[bytes], reader: ChunkReader, clock: PhaseClock) -> AsyncIterator[bytes]:
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


class _Errors:
    """What the network can do wrong, in the client's words."""

    def __init__(self, door: _Door) -> None:
        self._door = door

    def __enter__(self) -> None:
        return None

    def __exit__(self, kind: object, error: BaseException | None, traceback: object) -> None:
        match error:
            case outbound.OutboundError():
                raise BackendError("refused", str(error)) from error
            case httpx.ConnectTimeout():
                raise BackendError("timeout", "connect: no connection in time") from error
            case httpx.TimeoutException():
                raise TimeoutError from error
            case httpx.ConnectError():
                raise BackendError("unreachable", self._door.clean(f"no connection: {error}")) from error
            case httpx.TransportError() | httpx.InvalidURL() | httpx.StreamError():
                raise BackendError("broken", self._door.clean(f"the connection broke: {error}")) from error


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


def _some(parts: Iterator[bytes], at_most: int = _ERROR_BYTES) -> bytes:
    said = b""
    for part in parts:
        said += part
        if len(said) >= at_most:
            break
    return said


async def _asome(parts: AsyncIterator[bytes]) -> bytes:
    said = b""
    async for part in parts:
        said += part
        if len(said) >= _ERROR_BYTES:
            break
    return said


def _kind(status: int) -> FailureKind:
    if status in (408, 425, 429, 503, 529):
        return "busy"
    if status in (502, 504):
        return "unreachable"
    return "broken" if status >= 500 else "refused"


def _retry_after(headers: httpx.Headers) -> float | None:
    """Seconds; the header may also be a date (RFC 9110, section 10.2.3)."""
    value = headers.get("Retry-After", "").strip()
    if re.fullmatch(r"\d{1,6}(\.\d+)?", value):
        return float(value)
    try:
        return max((parsedate_to_datetime(value) - datetime.now(UTC)).total_seconds(), 0.0)
    except (ValueError, TypeError):
        return None


def _report(said: bytes, model: str, clean: Callable[[str], str]) -> Report:
    try:
        entries = {str(entry["id"]): entry for entry in storable(parsed(said), clean)["data"]}
    except (ValueError, KeyError, TypeError):
        return Report(reachable=True, serves=False, error="the list of models is malformed")
    if model not in entries:
        error = f"it does not serve {model!r}"
        return Report(reachable=True, serves=False, models=tuple(entries), error=error)
    entry = entries[model]
    return Report(
        reachable=True,
        serves=True,
        models=tuple(entries),
        facts=revision_facts(entry),
        dialect=recognised(entry),
        context=context_of(entry),
    )
