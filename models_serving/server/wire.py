"""The OpenAI API as our server speaks it: bodies in, chunks and errors out. No engine and no network here.

Source: the API reference of OpenAI's chat completions and completions. Parameters that are not listed here are refused
by name."""

import json
from collections.abc import Mapping, Sequence
from typing import Annotated, Any, Literal, TypeVar

from pydantic import BaseModel, ConfigDict, Field, StrictBool, ValidationError

from models_serving.contracts import Message, Role, TokenChance

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

    def body(self) -> dict[str, Any]:
        """`{"error": {"message", "type", "param", "code"}}`."""
        kind = "invalid_request_error" if self.status < 429 else "server_error"
        return {"error": {"message": str(self), "type": kind, "param": self.param, "code": self.code}}


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid")


class _Part(_Strict):
    type: Literal["text"]
    text: str


class _Message(_Strict):
    role: Role
    content: str | list[_Part]

    def plain(self) -> Message:
        text = self.content if isinstance(self.content, str) else "".join(part.text for part in self.content)
        return Message(self.role, text)


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

    def wanted(self) -> dict[str, Any]:
        """The sampling parameters that were sent; null means not sent. Raises `ApiError` for a contradiction."""
        return {name: value for name in SAMPLING if (value := getattr(self, name)) is not None}

    @property
    def prompts(self) -> list[Any]:
        """What is to be answered or gone on with."""
        raise NotImplementedError

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

    prompt: str | list[int] | list[str] | list[list[int]]

    @property
    def prompts(self) -> list[Any]:
        """Every text or list of token ids."""
        several = isinstance(self.prompt, list) and not (self.prompt and isinstance(self.prompt[0], int))
        return list(self.prompt) if several else [self.prompt]

    def wanted(self) -> dict[str, Any]:
        """As with conversations, but 16 tokens where nothing is said: so does OpenAI's reference. There `logprobs` is
        the number of most likely tokens that are told with each drawn one."""
        given = {"max_tokens": 16} | super().wanted()
        if "top_logprobs" in given:
            raise ApiError(400, "top_logprobs belongs to chats; here logprobs is a number", param="top_logprobs")
        if isinstance(top := given.get("logprobs"), bool):
            raise ApiError(400, "logprobs must be a whole number here", param="logprobs")
        return given if top is None else given | {"logprobs": True, "top_logprobs": top}


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
    if unknown := sorted(set(said) - set(kind.model_fields)):
        raise ApiError(400, f"unsupported parameters: {', '.join(unknown)}", param=unknown[0], code="unsupported")
    # A null is an absent parameter in this API.
    try:
        return kind.model_validate({name: value for name, value in said.items() if value is not None})
    except ValidationError as error:
        first = error.errors()[0]
        path = ".".join(map(str, first["loc"]))
        raise ApiError(400, f"{path}: {first['msg']}", param=str(first["loc"][0])) from error


def _refuse_constant(name: str) -> None:
    raise ValueError(f"{name} is no JSON")


def _has_half_character(text: str) -> bool:
    # In C: a loop over a body of megabytes would hold everybody's streams up.
    try:
        text.encode()
    except UnicodeEncodeError:
        return True
    return False


class Form:
    """How answers are put: the names of things, and one answer's entry in `choices`, whole or a piece of it."""

    prefix: str
    whole_object: str
    piece_object: str

    def opening(self, index: int) -> dict[str, Any] | None:
        """What a stream begins with, if with anything."""
        raise NotImplementedError

    def piece(self, index: int, text: str, tokens: Sequence[TokenChance] | None, finish: str | None) -> dict[str, Any]:
        """A piece of a stream. `tokens` is `None` where log-probabilities were not asked for."""
        raise NotImplementedError

    def whole(self, index: int, text: str, tokens: Sequence[TokenChance] | None, finish: str) -> dict[str, Any]:
        """An answer in one piece."""
        raise NotImplementedError


class _Chat(Form):
    prefix, whole_object, piece_object = "chatcmpl", "chat.completion", "chat.completion.chunk"

    def opening(self, index: int) -> dict[str, Any] | None:
        delta = {"role": "assistant", "content": ""}
        return {"index": index, "delta": delta, "logprobs": None, "finish_reason": None}

    def piece(self, index: int, text: str, tokens: Sequence[TokenChance] | None, finish: str | None) -> dict[str, Any]:
        delta = {"content": text} if finish is None else {}
        chances = _chances(tokens) if finish is None else None
        return {"index": index, "delta": delta, "logprobs": chances, "finish_reason": finish}

    def whole(self, index: int, text: str, tokens: Sequence[TokenChance] | None, finish: str) -> dict[str, Any]:
        message = {"role": "assistant", "content": text}
        return {"index": index, "message": message, "logprobs": _chances(tokens), "finish_reason": finish}


class _Completion(Form):
    prefix, whole_object, piece_object = "cmpl", "text_completion", "text_completion"

    def opening(self, index: int) -> dict[str, Any] | None:
        return None

    def piece(self, index: int, text: str, tokens: Sequence[TokenChance] | None, finish: str | None) -> dict[str, Any]:
        return {"index": index, "text": text, "logprobs": _listed(tokens), "finish_reason": finish}

    def whole(self, index: int, text: str, tokens: Sequence[TokenChance] | None, finish: str) -> dict[str, Any]:
        return {"index": index, "text": text, "logprobs": _listed(tokens), "finish_reason": finish}


CHAT, COMPLETION = _Chat(), _Completion()


def event(data: Mapping[str, Any]) -> bytes:
    """One server-sent event. Non-ASCII characters stay as they are."""
    return b"data: " + json.dumps(data, ensure_ascii=False, separators=(",", ":")).encode() + b"\n\n"


DONE = b"data: [DONE]\n\n"


def _chances(tokens: Sequence[TokenChance] | None) -> dict[str, Any] | None:
    """Tokens with their log-probabilities in the shape of chats. Half a character has no bytes to show."""
    if tokens is None:
        return None
    content = [
        {**_chance(token.text, token.logprob), "top_logprobs": [_chance(text, value) for text, value in token.top]}
        for token in tokens
    ]
    return {"content": content, "refusal": None}


def _listed(tokens: Sequence[TokenChance] | None) -> dict[str, Any] | None:
    """The same in the shape of completions, which holds lists side by side."""
    if tokens is None:
        return None
    return {
        "tokens": [token.text for token in tokens],
        "token_logprobs": [_bounded(token.logprob) for token in tokens],
        "top_logprobs": [{text: _bounded(value) for text, value in token.top} for token in tokens],
    }


def _chance(text: str, logprob: float) -> dict[str, Any]:
    whole = "\N{REPLACEMENT CHARACTER}" not in text
    return {"token": text, "logprob": _bounded(logprob), "bytes": list(text.encode()) if whole else None}


def _bounded(logprob: float) -> float:
    """JSON knows no infinity; OpenAI's reference has this number for what is as good as impossible."""
    return max(logprob, -9999.0)


def usage(prompt_tokens: int, completion_tokens: int, *, reused_tokens: int = 0) -> dict[str, Any]:
    """Token counts in OpenAI's shape; `reused_tokens` of the prompt did not have to be computed."""
    return {
        "prompt_tokens": prompt_tokens,
        "completion_tokens": completion_tokens,
        "total_tokens": prompt_tokens + completion_tokens,
        "prompt_tokens_details": {"cached_tokens": reused_tokens},
    }
