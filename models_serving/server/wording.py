"""The OpenAI API as our server speaks it: answers, whole or in pieces, with their tokens and counts. `wire` is what it
hears."""

import json
from collections.abc import Mapping, Sequence
from typing import Any

from models_serving.contracts import TokenChance

Placed = tuple[int, TokenChance]
"""A token, and where its text begins in the answer, in characters."""


class Form:
    """How answers are put: the names of things, and one answer's entry in `choices`, whole or a piece of it."""

    prefix: str
    whole_object: str
    piece_object: str

    def opening(self, index: int) -> dict[str, Any] | None:
        """What a stream begins with, if with anything."""
        raise NotImplementedError

    def piece(self, index: int, text: str, tokens: Sequence[Placed] | None, finish: str | None) -> dict[str, Any]:
        """A piece of a stream. `tokens` is `None` where log-probabilities were not asked for."""
        raise NotImplementedError

    def whole(self, index: int, text: str, tokens: Sequence[Placed] | None, finish: str) -> dict[str, Any]:
        """An answer in one piece."""
        raise NotImplementedError


class _Chat(Form):
    prefix, whole_object, piece_object = "chatcmpl", "chat.completion", "chat.completion.chunk"

    def opening(self, index: int) -> dict[str, Any] | None:
        delta = {"role": "assistant", "content": ""}
        return {"index": index, "delta": delta, "logprobs": None, "finish_reason": None}

    def piece(self, index: int, text: str, tokens: Sequence[Placed] | None, finish: str | None) -> dict[str, Any]:
        delta = {"content": text} if finish is None else {}
        chances = _chances(tokens) if finish is None else None
        return {"index": index, "delta": delta, "logprobs": chances, "finish_reason": finish}

    def whole(self, index: int, text: str, tokens: Sequence[Placed] | None, finish: str) -> dict[str, Any]:
        message = {"role": "assistant", "content": text}
        return {"index": index, "message": message, "logprobs": _chances(tokens), "finish_reason": finish}


class _Completion(Form):
    prefix, whole_object, piece_object = "cmpl", "text_completion", "text_completion"

    def opening(self, index: int) -> dict[str, Any] | None:
        return None

    def piece(self, index: int, text: str, tokens: Sequence[Placed] | None, finish: str | None) -> dict[str, Any]:
        return {"index": index, "text": text, "logprobs": _listed(tokens), "finish_reason": finish}

    def whole(self, index: int, text: str, tokens: Sequence[Placed] | None, finish: str) -> dict[str, Any]:
        return {"index": index, "text": text, "logprobs": _listed(tokens), "finish_reason": finish}


CHAT, COMPLETION = _Chat(), _Completion()


# Non-ASCII characters stay as they are.
_JSON = json.JSONEncoder(ensure_ascii=False, separators=(",", ":")).encode


def event(data: Mapping[str, Any]) -> bytes:
    """One server-sent event."""
    return f"data: {_JSON(data)}\n\n".encode()


class Pieces:
    """The events of a stream that differ in their text alone: what is around it is put into JSON once and not for each
    token. `common` is what they have beside their `choices`."""

    def __init__(self, form: Form, common: Mapping[str, Any]) -> None:
        self._form = form
        self._common = common
        self._around: dict[int, tuple[str, str]] = {}

    def event(self, index: int, text: str) -> bytes:
        """A piece of text of the answer with this index, without log-probabilities."""
        around = self._around.get(index)
        if around is None:
            choice = self._form.piece(index, _SOME_TEXT, None, None)
            before, _, after = _JSON({**self._common, "choices": [choice]}).rpartition(_JSON(_SOME_TEXT))
            around = self._around[index] = (f"data: {before}", f"{after}\n\n")
        return f"{around[0]}{_JSON(text)}{around[1]}".encode()


_SOME_TEXT = "\0text\0"


DONE = b"data: [DONE]\n\n"


def _chances(tokens: Sequence[Placed] | None) -> dict[str, Any] | None:
    """Tokens with their log-probabilities in the shape of chats. Half a character has no bytes to show."""
    if tokens is None:
        return None
    content = [
        {**_chance(token.text, token.logprob), "top_logprobs": [_chance(text, value) for text, value in token.top]}
        for _, token in tokens
    ]
    return {"content": content, "refusal": None}


def _listed(tokens: Sequence[Placed] | None) -> dict[str, Any] | None:
    """The same in the shape of completions, which holds lists side by side."""
    if tokens is None:
        return None
    return {
        "tokens": [token.text for _, token in tokens],
        "token_logprobs": [_bounded(token.logprob) for _, token in tokens],
        "top_logprobs": [_by_text(token.top) for _, token in tokens],
        "text_offset": [offset for offset, _ in tokens],
    }


def _by_text(top: Sequence[tuple[str, float]]) -> dict[str, float]:
    """Of several that go by one name (halves of characters) the likeliest keeps it, which comes first."""
    found: dict[str, float] = {}
    for text, value in top:
        found.setdefault(text, _bounded(value))
    return found


def placed(tokens: Sequence[TokenChance], text: str, start: int) -> list[Placed]:
    """The tokens of a piece of text that begins at `start`. Halves of a character stand where it does."""
    found, at = [], 0
    for token in tokens:
        whole = _is_whole(token.text)
        at = max(text.find(token.text, at), at) if whole else at
        found.append((start + min(at, len(text)), token))
        at += len(token.text) if whole else 0
    return found


def _chance(text: str, logprob: float) -> dict[str, Any]:
    return {"token": text, "logprob": _bounded(logprob), "bytes": list(text.encode()) if _is_whole(text) else None}


def _is_whole(text: str) -> bool:
    return "\N{REPLACEMENT CHARACTER}" not in text


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
