"""What answers say, on its way into the log."""

import threading
import uuid
from concurrent.futures import Future

import pytest

from annotation.conversations import scribe as writing
from annotation.conversations.live import Said, TurnEvent, turn_log
from annotation.conversations.scribe import Scribe, Voice

WORDS = [f"{number} " for number in range(300)]


def ended(scribe: Scribe, voice: Voice) -> "Future[Exception | None]":
    over: Future[Exception | None] = Future()
    scribe.end(voice, over.set_result)
    return over


def test_what_several_say_at_once_is_in_the_log_whole_and_in_order_when_each_has_ended() -> None:
    scribe, turns = Scribe(), [uuid.uuid4(), uuid.uuid4()]
    voices = [Voice(turn, slot, 1) for turn in turns for slot in "AB"]

    def speak(voice: Voice) -> None:
        for word in WORDS:
            scribe.say(voice, f"{voice.slot}{word}")
        assert ended(scribe, voice).result(20) is None

    speakers = [threading.Thread(target=speak, args=(voice,)) for voice in voices]
    for speaker in speakers:
        speaker.start()
    for speaker in speakers:
        speaker.join(30)
    for voice in voices:
        events = [entry.event for entry in turn_log().read(voice.turn_id) if entry.event.slot == voice.slot]
        assert "".join(event.text for event in events) == "".join(f"{voice.slot}{word}" for word in WORDS)


def test_an_answer_that_could_not_be_written_hears_why_and_the_next_one_is_written(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    scribe, turn = Scribe(), uuid.uuid4()
    written: list[list[TurnEvent]] = []

    class Full:
        def append_all(self, said: Said) -> None:
            if not written:
                written.append([])
                raise OSError("the disk is full")
            written.append([*said[turn]])

    monkeypatch.setattr(writing, "turn_log", Full)
    first, second = Voice(turn, "A", 1), Voice(turn, "A", 2)
    scribe.say(first, "lost")
    assert str(ended(scribe, first).result(20)) == "the disk is full"
    scribe.say(second, "kept")
    assert ended(scribe, second).result(20) is None
    assert [(event.attempt, event.text) for event in written[1]] == [(2, "kept")]
