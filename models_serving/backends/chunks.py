"""The answers of servers of the OpenAI chat API, read strictly: streams of chunks, errors, facts. No network here."""

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from html import unescape
from typing import Any

from models_serving.backends.base import BackendError, End
from models_serving.backends.foreign import LARGEST, parsed, plain, storable
from models_serving.backends.sse import EventParser, EventTooLongError
from models_serving.contracts import FailureKind, Usage
from models_serving.stops import StopFinder

ERROR_CHARS = 300
# why an answer ended, in the words of servers that have their own: TGI (`stop_sequence`, in old versions `eos_token`),
# Together (`eos`), Mistral (`model_length`), and Anthropic's words, which gateways pass on
REASONS = {
    "stop_sequence": "stop",
    "eos_token": "stop",
    "eos": "stop",
    "end_turn": "stop",
    "model_length": "length",
    "max_tokens": "length",
}
_HEAD_CHARS = 4_000
_PAGE = re.compile(r"<!doctype html|<html", re.IGNORECASE)
_TITLE = re.compile(r"<title[^>]*>(.*?)</title>", re.IGNORECASE | re.DOTALL)
# what a server says of itself along the way
REPORTED = ("id", "model", "system_fingerprint", "plurivox", "service_tier", "timings")


def message_of(said: bytes) -> str:
    """The message of an error in OpenAI's shape, or whatever came."""
    try:
        found = parsed(said)
        # some say {"error": {"message": …}}, some {"error": "…"}, some {"message": …} or {"detail": …}
        error = next(found[name] for name in ("error", "message", "detail") if found.get(name))
        if isinstance(error, list):
            return "; ".join(map(_complaint, error))
        return str(error["message"] if isinstance(error, dict) else error)
    except (ValueError, KeyError, TypeError, AttributeError, StopIteration):
        text = said.decode(errors="replace").strip()
        return _page(text) or text or "no reason given"


def _complaint(one: Any) -> str:
    """One of a list of what is wrong with a request, as servers that are built with FastAPI give it."""
    return f"{'.'.join(map(str, one['loc']))}: {one['msg']}"


def _page(text: str) -> str:
    """What a web page is called: whoever gets one has asked at a wrong address. Empty where the text is none."""
    if not _PAGE.match(text):
        return ""
    title = _TITLE.search(text[:_HEAD_CHARS])
    return f"a web page, {' '.join(unescape(title[1]).split())!r}" if title else "a web page"


def reported(said: bytes) -> Any:
    """The error that an answer in JSON consists of; `None` where it is something else."""
    try:
        found = parsed(said)
    except ValueError:
        return None
    return found.get("error") if isinstance(found, dict) else None


def kind_of(status: int) -> FailureKind:
    """What an HTTP status that is no success means."""
    if status in (408, 425, 429, 503, 529):
        return "busy"
    if status in (502, 504):
        return "unreachable"
    return "broken" if status >= 500 else "refused"


def type_of(headers: Mapping[str, str]) -> str:
    """What kind of content an answer says that it is."""
    return headers.get("Content-Type", "").partition(";")[0].strip().lower()


def revision_facts(said: Mapping[str, Any]) -> dict[str, Any]:
    """What identifies the exact state of a model in a server's report or list entry; not what changes by itself."""
    ours = said.get("plurivox")
    if isinstance(ours, dict) and isinstance(ours.get("revision"), dict):
        return dict(ours["revision"])
    known = {"model": said.get("id", said.get("model")), "system_fingerprint": said.get("system_fingerprint")}
    return {name: value for name, value in known.items() if value is not None}


@dataclass
class ChunkReader:
    """Reads one stream of chat completion chunks. What is not as the protocol says breaks the answer. `clean` goes over
    all that the server says of itself; the answer ends before the first of `stops`, for servers that leave them in."""

    max_chars: int
    clean: Callable[[str], str] = plain
    stops: Sequence[str] = ()
    report: dict[str, Any] = field(default_factory=dict)
    done: bool = False
    finish_reason: str | None = None
    usage: Usage = field(default_factory=Usage)

    def __post_init__(self) -> None:
        # A character is at most twelve bytes of escaped JSON; the rest is room for a chunk's other members.
        self._events = EventParser(max_bytes=262_144 + 12 * self.max_chars)
        self._finder = StopFinder(self.stops)
        self._is_cut = False
        self._said: dict[str, Any] = {}

    @property
    def is_complete(self) -> bool:
        """Whether all of the text is there; token counts may still come."""
        return self.finish_reason is not None

    def is_stream(self, status: int, headers: Mapping[str, str]) -> bool:
        """Whether an answer is to be read here; keeps the id under which the server's own log has this request."""
        if request_id := headers.get("X-Request-Id", ""):
            self.report["request_id"] = self.clean(request_id)[:200]
        return status == 200 and type_of(headers) == "text/event-stream"

    def feed(self, received: bytes) -> Iterator[str]:
        try:
            events = self._events.feed(received)
        except EventTooLongError as error:
            raise BackendError("too_long", str(error)) from error
        for event in events:
            if event.strip() == b"[DONE]":
                self.done = True
                return
            text = self._chunk(event)
            if text := self._before_stop(text) if self.stops else text:
                yield text
            if self.done:
                return

    def _before_stop(self, text: str) -> str:
        """What may be shown of it. A server that goes on behind a stop text, because that ended within a token, is left
        alone; where it stopped there itself, its token counts still come."""
        if self._is_cut:
            return ""
        free, self._is_cut = self._finder.push(text)
        if self._is_cut:
            self.done = self.finish_reason is None
            self.finish_reason = "stop"
        return free + self._finder.flush() if self.finish_reason else free

    def _chunk(self, event: bytes) -> str:
        try:
            chunk = parsed(event.decode())
        except UnicodeDecodeError as error:
            raise BackendError("broken", "the stream is not UTF-8") from error
        except ValueError as error:
            raise BackendError("broken", "a chunk is not JSON") from error
        if not isinstance(chunk, dict):
            raise BackendError("broken", "a chunk is not an object")
        if chunk.get("error"):
            said = f"the server reports: {self.clean(message_of(event))}"[:ERROR_CHARS]
            raise BackendError(kind_within(chunk["error"]), said, passing=True)
        self._note(chunk)
        choices = chunk.get("choices") or []
        return self._choice(choices) if choices else ""

    def _choice(self, choices: Any) -> str:
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
        if reason:
            self.finish_reason = REASONS.get(reason, reason)
            if reason in REASONS:
                self.report["finish_reason"] = reason
        return text

    def _note(self, chunk: Mapping[str, Any]) -> None:
        for name in REPORTED:
            value = chunk.get(name)
            # most of it is the same in every chunk, and a chunk is a token
            if value is not None and value != self._said.get(name):
                self._said[name] = value
                self.report[name] = storable(value, self.clean)
        if isinstance(counted := chunk.get("usage"), dict):
            self.usage = Usage(_count(counted, "prompt_tokens"), _count(counted, "completion_tokens"))
            # some think and show nothing of it
            details = counted.get("completion_tokens_details")
            if isinstance(details, dict) and (thought := _count(details, "reasoning_tokens")):
                self.report["reasoning_tokens"] = thought

    def end(self) -> End:
        match self.finish_reason:
            case "stop" | "length" as reason:
                return End(reason, self.usage)
            case None:
                raise BackendError("broken", "the stream ended without a finish reason", passing=True)
            case "content_filter":
                raise BackendError("refused", "the endpoint's content filter ended the answer")
            case "deadline":
                raise BackendError("timeout", "the server's own time limit ended the answer")
            case other:
                raise BackendError("broken", f"the server ended the answer with {other[:40]!r}")


def kind_within(error: Any) -> FailureKind:
    """What an error means that comes after a status of success. Gateways give the HTTP status as its code; a 4xx says
    little there, because vLLM says 400 of whatever went wrong."""
    code = error.get("code") if isinstance(error, dict) else None
    kind = kind_of(code) if isinstance(code, int) else "broken"
    return "broken" if kind == "refused" else kind


def _count(counted: Mapping[str, Any], name: str) -> int | None:
    value = counted.get(name)
    return value if isinstance(value, int) and not isinstance(value, bool) and 0 <= value <= LARGEST else None
