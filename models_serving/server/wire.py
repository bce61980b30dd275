"""The OpenAI API as our server hears it: bodies in, and errors. No engine and no network here.

Source: the API reference of OpenAI's chat completions and completions. Parameters that are not listed here are refused
by name."""

import json
from collections.abc import Mapping, Sequence
from typing import Annotated, Any, Literal, TypeVar

from pydantic import BaseModel, ConfigDict, Field, StrictBool, StrictInt, StrictStr, ValidationError

from models_serving.contracts import Message

SAMPLING = (
    "temperature",
    "top_p",
    "top_k",
    "min_p",
    "repetition_penalty",
    "presence_penalty",
    "frequency_penalty",
    "max_tokens",
    "min_tokens",
    "stop",
    "seed",
    "logprobs",
    "top_logprobs",
)


MAX_CHOICES = 16
LONGEST_HOLD = 86_400
# What changes nothing with these values, and is sent by clients that name all they know. Any other value is refused.
_NEUTRAL: Mapping[str, Sequence[Any]] = {
    "best_of": (1,),
    "echo": (False,),
    "functions": ([],),
    "logit_bias": ({},),
    "metadata": ({},),
    "modalities": (["text"],),
    "response_format": ({"type": "text"},),
    "store": (False,),
    "suffix": ("",),
    "tool_choice": ("none", "auto"),
    "tools": ([],),
}


class ApiError(Exception):
    """An answer other than 200, in OpenAI's shape."""

    def __init__(
        self, status: int, message: str, *, param: str | None = None, code: str | None = None, retry_after: int = 0
    ) -> None:
        super().__init__(message)
        self.status = status
        self.param = param
        self.code = code
        self.retry_after = retry_after

    @property
    def short(self) -> str:
        """For a log: nothing of what was said to the model."""
        return " ".join(str(word) for word in (self.status, self.code, self.param) if word)

    def body(self) -> dict[str, Any]:
        """`{"error": {"message", "type", "param", "code"}}`."""
        kind = {429: "rate_limit_error"}.get(
            self.status, "invalid_request_error" if self.status < 429 else "server_error"
        )
        return {"error": {"message": str(self), "type": kind, "param": self.param, "code": self.code}}


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid")


class _Part(_Strict):
    type: Literal["text"]
    text: str


class _Message(_Strict):
    # A newer name of the same.
    role: Literal["system", "user", "assistant", "developer"]
    content: str | list[_Part]

    def plain(self) -> Message:
        text = self.content if isinstance(self.content, str) else "".join(part.text for part in self.content)
        return Message("system" if self.role == "developer" else self.role, text)


class _StreamOptions(_Strict):
    include_usage: StrictBool = False


class _Body(_Strict):
    """What both doors take. Sampling values are checked by the engine, which knows the model."""

    model: str
    stream: StrictBool = False
    stream_options: _StreamOptions | None = None
    n: Annotated[int, Field(strict=True, ge=1, le=MAX_CHOICES)] = 1
    temperature: Any = None
    top_p: Any = None
    top_k: Any = None
    min_p: Any = None
    repetition_penalty: Any = None
    presence_penalty: Any = None
    frequency_penalty: Any = None
    max_tokens: Any = None
    min_tokens: Any = None
    stop: Any = None
    seed: Any = None
    logprobs: Any = None
    top_logprobs: Any = None
    # Whose request this is, for a fair order; and vLLM's `priority`: the lower goes first. Above 0 it is a job that
    # nobody waits for.
    user: Annotated[str, Field(max_length=200)] = ""
    priority: Annotated[int, Field(strict=True, ge=0, le=1)] = 0
    # How long the answer may take, its waiting included, if that is less than the server allows; and for how long the
    # model shall leave for no other, because somebody will go on talking to it.
    deadline_seconds: Annotated[float, Field(strict=True, gt=0)] | None = None
    hold_seconds: Annotated[float, Field(strict=True, ge=0, le=LONGEST_HOLD)] = 0.0

    def wanted(self) -> dict[str, Any]:
        """The sampling parameters that were sent; null means not sent. Raises `ApiError` for a contradiction."""
        return {name: value for name in SAMPLING if (value := getattr(self, name)) is not None}

    @property
    def prompts(self) -> list[Any]:
        """What is to be answered or gone on with."""
        raise NotImplementedError

    @property
    def usual(self) -> int | None:
        """How many tokens an answer has where nothing is said, if the context holds them; `None`: all that it holds."""
        return None

    @property
    def names(self) -> Mapping[str, str]:
        """Parameters that were sent by another name than the engine's, by that one."""
        return {}

    @property
    def counts_usage(self) -> bool:
        """Whether a stream ends with the number of tokens."""
        return self.stream_options is not None and self.stream_options.include_usage


class ChatBody(_Body):
    """What a client asks of /v1/chat/completions."""

    messages: Annotated[list[_Message], Field(min_length=1, max_length=1000)]
    max_completion_tokens: Any = None

    def conversation(self) -> list[Message]:
        """The messages as plain text."""
        return [message.plain() for message in self.messages]

    @property
    def prompts(self) -> list[Any]:
        """One conversation."""
        return [[{"role": message.role, "content": message.content} for message in self.conversation()]]

    @property
    def names(self) -> Mapping[str, str]:
        """Parameters that were sent by another name than the engine's, by that one."""
        return {} if self.max_completion_tokens is None else {"max_tokens": "max_completion_tokens"}

    def wanted(self) -> dict[str, Any]:
        """The sampling parameters that were sent; null means not sent. Raises `ApiError` for a contradiction."""
        given = super().wanted()
        if self.max_completion_tokens is not None:
            if given.get("max_tokens", self.max_completion_tokens) != self.max_completion_tokens:
                raise ApiError(400, "max_tokens and max_completion_tokens differ", param="max_tokens")
            given["max_tokens"] = self.max_completion_tokens
        return given


class CompletionBody(_Body):
    """What a client asks of /v1/completions: to go on from a text, or from token ids, or from several of either."""

    prompt: StrictStr | list[StrictInt] | list[StrictStr] | list[list[StrictInt]]

    @property
    def prompts(self) -> list[Any]:
        """Every text or list of token ids."""
        several = isinstance(self.prompt, list) and not (self.prompt and isinstance(self.prompt[0], int))
        return list(self.prompt) if several else [self.prompt]

    @property
    def usual(self) -> int | None:
        """As OpenAI's reference has it."""
        return 16

    @property
    def names(self) -> Mapping[str, str]:
        """Parameters that were sent by another name than the engine's, by that one."""
        return {"top_logprobs": "logprobs"}

    def wanted(self) -> dict[str, Any]:
        """As with conversations, but `logprobs` is the number of most likely tokens that are told with each drawn
        one."""
        given = super().wanted()
        if "top_logprobs" in given:
            raise ApiError(400, "top_logprobs belongs to chats; here logprobs is a number", param="top_logprobs")
        if isinstance(top := given.get("logprobs"), bool):
            raise ApiError(400, "logprobs must be a whole number here", param="logprobs")
        return given if top is None else given | {"logprobs": True, "top_logprobs": top}


def parse_hold(text: str) -> float:
    """Seconds of an address' `hold_seconds`, or `ApiError` 400."""
    try:
        seconds = float(text)
    except ValueError:
        seconds = -1.0
    if not 0 <= seconds <= LONGEST_HOLD:
        raise ApiError(400, f"hold_seconds is from 0 to {LONGEST_HOLD}, not {text[:80]!r}", param="hold_seconds")
    return seconds


_Kind = TypeVar("_Kind", bound=_Body)


def parse_chat(raw: bytes) -> ChatBody:
    """The body, or `ApiError` 400 that names what is wrong."""
    body = _parsed(raw, ChatBody)
    if any(_has_half_character(message.content) for message in body.conversation()):
        raise ApiError(400, "messages: a text holds half a surrogate pair", param="messages")
    return body


def parse_completion(raw: bytes) -> CompletionBody:
    """The body, or `ApiError` 400 that names what is wrong."""
    body = _parsed(raw, CompletionBody)
    if not 1 <= len(body.prompts) * body.n <= MAX_CHOICES:
        raise ApiError(400, f"prompts and n together ask for 1 to {MAX_CHOICES} answers", param="prompt")
    if any(isinstance(prompt, str) and _has_half_character(prompt) for prompt in body.prompts):
        raise ApiError(400, "prompt: a text holds half a surrogate pair", param="prompt")
    return body


def _parsed(raw: bytes, kind: type[_Kind]) -> _Kind:
    try:
        said = json.loads(raw, parse_constant=_refuse_constant)
    except (ValueError, RecursionError) as error:
        raise ApiError(400, "the body is not JSON", code="invalid_json") from error
    if not isinstance(said, dict):
        raise ApiError(400, "the body is not a JSON object", code="invalid_json")
    # A null is an absent parameter in this API.
    said = {
        name: _without_nulls(value) if name in _NESTED else value for name, value in said.items() if value is not None
    }
    said = {name: value for name, value in said.items() if name in kind.model_fields or not _is_neutral(name, value)}
    if unknown := sorted(set(said) - set(kind.model_fields)):
        raise ApiError(400, f"unsupported parameters: {', '.join(unknown)}", param=unknown[0], code="unsupported")
    try:
        return kind.model_validate(said)
    except ValidationError as error:
        # Where several forms are possible each says what it lacks; the one that came furthest is meant.
        path, wrong = max(((_path(one), one) for one in error.errors()), key=lambda found: len(found[0]))
        name = ".".join(path)
        met = f", not {str(wrong['input'])[:80]!r}" if wrong["type"] == "literal_error" else ""
        raise ApiError(400, f"{name}: {wrong['msg']}{met}", param=name) from error


# What holds further members, where a null is an absent one, too.
_NESTED = {"messages", "stream_options"}


def _without_nulls(said: Any, depth: int = 4) -> Any:
    """Without members that are null, so many levels deep."""
    if isinstance(said, dict):
        return {name: _within(value, depth) for name, value in said.items() if value is not None}
    return [_within(value, depth) for value in said] if isinstance(said, list) else said


def _within(said: Any, depth: int) -> Any:
    return _without_nulls(said, depth - 1) if depth else said


def _is_neutral(name: str, value: Any) -> bool:
    return any(value == one and type(value) is type(one) for one in _NEUTRAL.get(name, ()))


def _path(wrong: Mapping[str, Any]) -> list[str]:
    """Where it stands, without the names of the forms that were tried there."""
    *steps, last = wrong["loc"]
    known = {*ChatBody.model_fields, *CompletionBody.model_fields, "include_usage", "role", "content", "type", "text"}
    path = [str(step) for step in steps if isinstance(step, int) or step in known]
    return [*path, str(last)] if isinstance(last, int) or last in known or wrong["type"] == "extra_forbidden" else path


def _refuse_constant(name: str) -> None:
    raise ValueError(f"{name} is no JSON")


def _has_half_character(text: str) -> bool:
    # In C: a loop over a body of megabytes would hold everybody's streams up.
    try:
        text.encode()
    except UnicodeEncodeError:
        return True
    return False
