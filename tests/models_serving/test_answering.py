"""Answers between a model's process and a client, without either: what the front makes of what it hears."""

import asyncio
import json
import socket
from collections.abc import Sequence
from typing import Any

import pytest

from models_serving.server import frames, wording
from models_serving.server.answering import Telling
from models_serving.server.line import Asking, Exchange, Line
from models_serving.server.metrics import Tally
from models_serving.server.wire import ApiError
from models_serving.server.wording import Form

DESCRIBED = {"fingerprint": "f", "facts": {}}


def ended(
    number: int, index: int, reason: str = "stop", error: str = "", started: float | None = 0.1
) -> dict[str, Any]:
    times = {"started": started, "first_token": 0.2, "last_token": 0.3, "finished": 0.4}
    counts = {"prompt_tokens": 3, "completion_tokens": 2, "reused_tokens": 0, "put_back": 0}
    return {"n": number, "index": index, "ended": {"reason": reason, "error": error, "sampling": {}} | times | counts}


def text(number: int, index: int, said: str) -> dict[str, Any]:
    return {"n": number, "index": index, "text": said}


async def parts(said: Sequence[Sequence[dict[str, Any]]], *, form: Form, choices: int = 1) -> list[list[Any]]:
    """The events of each part that leaves when a model's process says this, frame by frame; an exchange begins each."""
    ours, theirs = socket.socketpair()
    with theirs:
        line = Line(ours, Tally())
        await line.open()
        exchange: Exchange = line.ask(Asking("m", ["p"], choices, {}, 10.0))
        told = Telling(form, "m", DESCRIBED, choices=choices, usage=False, chances=False)
        for frame in said:
            theirs.sendall(frames.packed(frame))
        found = [part async for part in told.stream(exchange)]
        line.close()
    return [[json.loads(line) for line in _data(part) if line != "[DONE]"] for part in found]


def _data(part: bytes) -> list[str]:
    return [line.removeprefix("data: ") for line in part.decode().split("\n\n") if line]


@pytest.mark.parametrize("form", [wording.CHAT, wording.COMPLETION])
@pytest.mark.parametrize("said", ["plain", '"quoted" \\ and\nlines', "Grüße 日本", "\0text\0", "\u2028"])
def test_a_piece_of_text_is_worded_as_the_whole_event_would_be(form: Form, said: str) -> None:
    common = {"id": "1", "model": "\0text\0", "object": form.piece_object}
    pieces = wording.Pieces(form, common)

    assert [pieces.event(index, said) for index in (0, 3, 0)] == [
        wording.event({**common, "choices": [form.piece(index, said, None, None)]}) for index in (0, 3, 0)
    ]


def test_what_comes_together_leaves_together() -> None:
    said = [[text(1, 0, "a"), text(1, 1, "b")], [text(1, 0, "c"), ended(1, 0), ended(1, 1, "length")]]

    opened, *rest = asyncio.run(parts(said, form=wording.CHAT, choices=2))

    assert [event["choices"][0]["index"] for event in opened] == [0, 1]
    choices = [event["choices"][0] for part in rest for event in part]
    assert [(one["index"], one["delta"].get("content"), one["finish_reason"]) for one in choices] == [
        (0, "a", None), (1, "b", None), (0, "c", None), (0, None, "stop"), (1, None, "length"),
    ]  # fmt: skip


def test_text_that_comes_with_an_error_leaves_before_it() -> None:
    said = [[text(1, 0, "half"), ended(1, 0, "error", "the engine failed: X"), text(1, 0, "never")]]

    events = [event for part in asyncio.run(parts(said, form=wording.COMPLETION)) for event in part]

    assert [event["choices"][0]["text"] for event in events[:-1]] == ["half"]
    assert events[-1]["error"]["message"] == "the engine failed: X"


async def declined(said: Sequence[Sequence[dict[str, Any]]]) -> tuple[int, str, str]:
    """How a request for two answers is declined, when this is said and the process ends: status, code, message."""
    ours, theirs = socket.socketpair()
    line = Line(ours, Tally())
    await line.open()
    exchange = line.ask(Asking("m", ["p"], 2, {}, 10.0))
    with theirs:
        for frame in said:
            theirs.sendall(frames.packed(frame))
    with pytest.raises(ApiError) as raised:
        await exchange.begun()
    line.close()
    error = raised.value.body()["error"]
    return raised.value.status, error["code"], error["message"]


def test_answers_of_which_the_first_never_began_are_an_error_whatever_follows() -> None:
    late = [ended(1, index, "deadline", started=None) for index in (0, 1)]

    status, code, text = asyncio.run(declined([late]))

    assert (status, code, text) == (503, "deadline", "no place came free within 10 s")


def test_a_process_that_ends_before_a_word_does_not_invite_the_same_request_again() -> None:
    assert asyncio.run(declined([]))[:2] == (500, "model_ended")
