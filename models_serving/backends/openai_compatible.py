"""Any server that answers the OpenAI chat API with a stream: our own, vLLM, SGLang, TGI, hosted providers.

The options of an endpoint, all optional:

    include_usage  ask for token counts on the last chunk (default true; some servers refuse the question)
    extra_body     further members of the body, sent as they are and recorded like the rest
"""

import json
import os
import re
from collections.abc import AsyncGenerator, AsyncIterator, Generator, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import Any, NoReturn

import httpx

from models_serving import outbound
from models_serving.backends.base import BackendError, End, Piece, known_options
from models_serving.backends.sse import EventParser, EventTooLongError
from models_serving.contracts import Endpoint, FailureKind, GenerationRequest, Report, Usage
from models_serving.limits import PhaseClock

_OPTIONS = frozenset({"include_usage", "extra_body"})
_OURS = frozenset({"model", "messages", "stream", "stream_options"})
_ERROR_BYTES = 64_000
_ERROR_CHARS = 300


class OpenAICompatible:
    """The backend `openai_compatible`. Source of the protocol: the API reference of OpenAI's chat completions."""

    def body(self, endpoint: Endpoint, request: GenerationRequest) -> Mapping[str, Any]:
        options = known_options(endpoint, _OPTIONS)
        sampling = request.sampling.sent()
        extra = dict(options.get("extra_body", {}))
        if clash := sorted(set(extra) & (_OURS | set(sampling))):
            raise BackendError("refused", f"extra_body would change {', '.join(clash)}")
        messages = [{"role": message.role, "content": message.content} for message in request.messages]
        body: dict[str, Any] = {"model": request.model, "messages": messages, "stream": True}
        if options.get("include_usage", True):
            body["stream_options"] = {"include_usage": True}
        return body | sampling | extra

    def pieces(
        self, endpoint: Endpoint, request: GenerationRequest, body: Mapping[str, Any], clock: PhaseClock
    ) -> Generator[Piece]:
        door = _Door(endpoint)
        reader = _ChunkReader(clock.limits.max_chars)
        with door.errors(), outbound.sync_client(clock) as client:
            headers = door.headers() | {"Content-Type": "application/json"}
            with client.stream("POST", door.at("chat/completions"), content=_encoded(body), headers=headers) as answer:
                if answer.status_code != 200:
                    door.refuse(answer, _some(answer.iter_raw()))
                reader.check(answer)
                for received in answer.iter_raw():
                    yield from reader.feed(received)
                    if reader.done:
                        break
        yield reader.end()

    async def apieces(
        self, endpoint: Endpoint, request: GenerationRequest, body: Mapping[str, Any], clock: PhaseClock
    ) -> AsyncGenerator[Piece]:
        door = _Door(endpoint)
        reader = _ChunkReader(clock.limits.max_chars)
        with door.errors():
            async with outbound.async_client(clock) as client:
                headers = door.headers() | {"Content-Type": "application/json"}
                asked = client.stream("POST", door.at("chat/completions"), content=_encoded(body), headers=headers)
                async with asked as answer:
                    if answer.status_code != 200:
                        door.refuse(answer, await _asome(answer.aiter_raw()))
                    reader.check(answer)
                    async for received in answer.aiter_raw():
                        for piece in reader.feed(received):
                            yield piece
                        if reader.done:
                            break
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
        return _report(said, model)


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

    def headers(self) -> dict[str, str]:
        # A compressed stream may be held back by whoever compresses it.
        headers = {"Accept": "text/event-stream, application/json", "Accept-Encoding": "identity"}
        return headers | ({"Authorization": f"Bearer {self._key}"} if self._key else {})

    def without_key(self, text: str) -> str:
        return text.replace(self._key, "***") if self._key else text

    def errors(self) -> "_Errors":
        return _Errors(self)

    def refuse(self, answer: httpx.Response, said: bytes) -> NoReturn:
        """Turn an answer that is no stream into the failure that it means."""
        message = self.without_key(f"HTTP {answer.status_code}: {_message(said)}")[:_ERROR_CHARS]
        raise BackendError(_kind(answer.status_code), message, retry_after=_retry_after(answer.headers))


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
                raise BackendError("unreachable", self._door.without_key(f"no connection: {error}")) from error
            case httpx.TransportError() | httpx.InvalidURL() | httpx.StreamError():
                raise BackendError("broken", self._door.without_key(f"the connection broke: {error}")) from error


def _encoded(body: Mapping[str, Any]) -> bytes:
    """Strict JSON; text that is no Unicode and numbers that are none are refused before anything goes out."""
    try:
        return json.dumps(body, ensure_ascii=False, allow_nan=False).encode()
    except (ValueError, TypeError) as error:
        raise BackendError("refused", f"the request cannot be written as JSON: {error}"[:_ERROR_CHARS]) from error


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


def _message(said: bytes) -> str:
    """The message of an error in OpenAI's shape, or the beginning of whatever came."""
    try:
        error = json.loads(said)["error"]
        return str(error["message"] if isinstance(error, dict) else error)
    except (ValueError, KeyError, TypeError):
        return said[:_ERROR_CHARS].decode(errors="replace").strip() or "no reason given"


def _report(said: bytes, model: str) -> Report:
    try:
        entries = {str(entry["id"]): entry for entry in json.loads(said)["data"]}
    except (ValueError, KeyError, TypeError):
        return Report(reachable=True, serves=False, error="the list of models is malformed")
    if model not in entries:
        error = f"it does not serve {model!r}"
        return Report(reachable=True, serves=False, models=tuple(entries), error=error)
    return Report(reachable=True, serves=True, models=tuple(entries), facts=revision_facts(entries[model]))


def revision_facts(said: Mapping[str, Any]) -> dict[str, Any]:
    """What identifies the exact state of a model in a server's report or list entry; not what changes by itself."""
    ours = said.get("plurivox")
    if isinstance(ours, dict) and isinstance(ours.get("revision"), dict):
        return dict(ours["revision"])
    known = {"model": said.get("id", said.get("model")), "system_fingerprint": said.get("system_fingerprint")}
    return {name: value for name, value in known.items() if value is not None}


@dataclass
class _ChunkReader:
    """Reads one stream of chat completion chunks. What is not as the protocol says breaks the answer."""

    max_chars: int
    done: bool = False
    finish_reason: str | None = None
    usage: Usage = field(default_factory=Usage)
    report: dict[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        # A character is at most twelve bytes of escaped JSON; the rest is room for a chunk's other members.
        self._events = EventParser(max_bytes=262_144 + 12 * self.max_chars)

    def check(self, answer: httpx.Response) -> None:
        kind = answer.headers.get("Content-Type", "").partition(";")[0].strip().lower()
        if kind != "text/event-stream":
            raise BackendError("broken", f"the answer is {kind or 'of no type'} and no event stream")

    def feed(self, received: bytes) -> Iterator[str]:
        try:
            events = self._events.feed(received)
        except EventTooLongError as error:
            raise BackendError("too_long", str(error)) from error
        for event in events:
            if event.strip() == b"[DONE]":
                self.done = True
                return
            if text := self._chunk(event):
                yield text

    def _chunk(self, event: bytes) -> str:
        try:
            chunk = json.loads(event.decode())
        except UnicodeDecodeError as error:
            raise BackendError("broken", "the stream is not UTF-8") from error
        except (ValueError, RecursionError) as error:
            raise BackendError("broken", "a chunk is not JSON") from error
        if not isinstance(chunk, dict):
            raise BackendError("broken", "a chunk is not an object")
        if chunk.get("error"):
            raise BackendError("broken", f"the server reports: {_message(event)}"[:_ERROR_CHARS])
        self._note(chunk)
        choices = chunk.get("choices") or []
        if not choices:
            return ""
        try:
            delta, reason = choices[0].get("delta") or {}, choices[0].get("finish_reason")
            text = delta.get("content") or ""
            thought = delta.get("reasoning_content") or delta.get("reasoning") or ""
        except (AttributeError, TypeError, KeyError, IndexError) as error:
            raise BackendError("broken", "a chunk is malformed") from error
        if not isinstance(text, str) or not isinstance(reason, str | None) or not isinstance(thought, str):
            raise BackendError("broken", "a chunk is malformed")
        if thought:
            self.report["reasoning_chars"] = self.report.get("reasoning_chars", 0) + len(thought)
        self.finish_reason = reason or self.finish_reason
        return text

    def _note(self, chunk: Mapping[str, Any]) -> None:
        for name in ("id", "model", "system_fingerprint", "plurivox", "service_tier"):
            if chunk.get(name) is not None:
                self.report[name] = chunk[name]
        if isinstance(counted := chunk.get("usage"), dict):
            self.usage = Usage(_count(counted, "prompt_tokens"), _count(counted, "completion_tokens"))

    def end(self) -> End:
        match self.finish_reason:
            case "stop" | "length" as reason:
                return End(reason, self.usage, self.report)
            case None:
                raise BackendError("broken", "the stream ended without a finish reason")
            case "content_filter":
                raise BackendError("refused", "the endpoint's content filter ended the answer")
            case "deadline":
                raise BackendError("timeout", "the server's own time limit ended the answer")
            case other:
                raise BackendError("broken", f"the server ended the answer with {other[:40]!r}")


def _count(counted: Mapping[str, Any], name: str) -> int | None:
    value = counted.get(name)
    return value if isinstance(value, int) and not isinstance(value, bool) and value >= 0 else None
