"""The OpenAI chat API as our server speaks it: bodies in, chunks and errors out. No engine and no network here.

Source: the API reference of OpenAI's chat completions. Parameters that are not listed here are refused by name."""

import json
from collections.abc import Mapping, Sequence
from typing import Annotated, Any, Literal

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


class ChatBody(_Strict):
    """What a client asks for. Sampling values are checked by the engine, which knows the model."""

    model: str
    messages: Annotated[list[_Message], Field(min_length=1, max_length=1000)]
    stream: StrictBool = False
    stream_options: _StreamOptions | None = None
    n: Annotated[int, Field(strict=True, ge=1, le=16)] = 1
    temperature: Any = None
    top_p: Any = None
    top_k: Any = None
    min_p: Any = None
    repetition_penalty: Any = None
    presence_penalty: Any = None
    frequency_penalty: Any = None
    max_tokens: Any = None
    max_completion_tokens: Any = None
    min_tokens: Any = None
    stop: Any = None
    seed: Any = None
    logprobs: Any = None
    top_logprobs: Any = None
    # Whose request this is, for a fair order; and vLLM's `priority`: the lower goes first. Above 0 it is a job that
    # nobody waits for.
    user: Annotated[str, Field(max_length=200)] = ""
    priority: Annotated[int, Field(strict=True, ge=0, le=1)] = 0

    def conversation(self) -> list[Message]:
        """The messages as plain text."""
        return [message.plain() for message in self.messages]

    def wanted(self) -> dict[str, Any]:
        """The sampling parameters that were sent; null means not sent. Raises `ApiError` for a contradiction."""
        given = {name: value for name in SAMPLING if (value := getattr(self, name)) is not None}
        if self.max_completion_tokens is not None:
            if given.get("max_tokens", self.max_completion_tokens) != self.max_completion_tokens:
                raise ApiError(400, "max_tokens and max_completion_tokens differ", param="max_tokens")
            given["max_tokens"] = self.max_completion_tokens
        return given


def parse_chat(raw: bytes) -> ChatBody:
    """The body, or `ApiError` 400 that names what is wrong."""
    try:
        said = json.loads(raw, parse_constant=_refuse_constant)
    except (ValueError, RecursionError) as error:
        raise ApiError(400, "the body is not JSON", code="invalid_json") from error
    if not isinstance(said, dict):
        raise ApiError(400, "the body is not a JSON object", code="invalid_json")
    if unknown := sorted(set(said) - set(ChatBody.model_fields)):
        raise ApiError(400, f"unsupported parameters: {', '.join(unknown)}", param=unknown[0], code="unsupported")
    # A null is an absent parameter in this API.
    try:
        body = ChatBody.model_validate({name: value for name, value in said.items() if value is not None})
    except ValidationError as error:
        first = error.errors()[0]
        path = ".".join(map(str, first["loc"]))
        raise ApiError(400, f"{path}: {first['msg']}", param=str(first["loc"][0])) from error
    if any(_has_half_character(message.content) for message in body.conversation()):
        raise ApiError(400, "messages: a text holds half a surrogate pair", param="messages")
    return body


def _refuse_constant(name: str) -> None:
    raise ValueError(f"{name} is no JSON")


def _has_half_character(text: str) -> bool:
    return any("\ud800" <= character <= "\udfff" for character in text)


def chunk(
    head: Mapping[str, Any],
    index: int,
    delta: Mapping[str, str],
    finish: str | None = None,
    *,
    logprobs: Mapping[str, Any] | None = None,
    **members: Any,
) -> bytes:
    """One event of a stream: a piece of choice `index`."""
    choice = {"index": index, "delta": delta, "logprobs": logprobs, "finish_reason": finish}
    return event({**head, "object": "chat.completion.chunk", "choices": [choice], **members})


def event(data: Mapping[str, Any]) -> bytes:
    """One server-sent event. Non-ASCII characters stay as they are."""
    return b"data: " + json.dumps(data, ensure_ascii=False, separators=(",", ":")).encode() + b"\n\n"


DONE = b"data: [DONE]\n\n"


def logprobs(tokens: Sequence[TokenChance]) -> dict[str, Any]:
    """Tokens with their log-probabilities in OpenAI's shape. A token that is half a character has no bytes to show."""
    content = [
        {**_chance(token.text, token.logprob), "top_logprobs": [_chance(text, value) for text, value in token.top]}
        for token in tokens
    ]
    return {"content": content, "refusal": None}


def _chance(text: str, logprob: float) -> dict[str, Any]:
    whole = "\N{REPLACEMENT CHARACTER}" not in text
    # JSON knows no infinity; OpenAI's reference has this number for what is as good as impossible.
    return {"token": text, "logprob": max(logprob, -9999.0), "bytes": list(text.encode()) if whole else None}


def usage(prompt_tokens: int, completion_tokens: int, *, reused_tokens: int = 0) -> dict[str, Any]:
    """Token counts in OpenAI's shape; `reused_tokens` of the prompt did not have to be computed."""
    return {
        "prompt_tokens": prompt_tokens,
        "completion_tokens": completion_tokens,
        "total_tokens": prompt_tokens + completion_tokens,
        "prompt_tokens_details": {"cached_tokens": reused_tokens},
    }
