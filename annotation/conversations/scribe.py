"""Writes what the answers of this process say into the logs of their turns: whatever all of them said within a tick, in
one go. A token costs its place in a list, and not a write."""

import threading
import uuid
from collections.abc import Callable
from dataclasses import dataclass, field
from time import time

from annotation.common.once import one_a_process
from annotation.conversations.live import TurnEvent, turn_log

# at most so many seconds between two events of an answer, and between two writes, however fast the models are
TICK = 0.03
Done = Callable[[Exception | None], None]


@dataclass(slots=True, eq=False)
class Voice:
    """One attempt at an answer, and what of it is not written yet. `done` is called when it has ended and all of it is
    in the log, or with the error for which it is not."""

    turn_id: uuid.UUID
    slot: str
    attempt: int
    unsaid: list[str] = field(default_factory=list)
    done: Done | None = None
    error: Exception | None = None

    def event(self) -> TurnEvent:
        return TurnEvent("token", time(), self.slot, self.attempt, "".join(self.unsaid))


class Scribe:
    """A thread that writes. It sleeps while nobody says anything; the first word after a silence is written at once."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._speaking: dict[Voice, None] = {}
        self._news = threading.Event()
        self._hurry = threading.Event()
        threading.Thread(target=self._run, name="turn-scribe", daemon=True).start()

    def say(self, voice: Voice, text: str) -> None:
        """Goes into the log with the next write. From any thread; waits for nothing."""
        with self._lock:
            voice.unsaid.append(text)
            self._speaking[voice] = None
        if not self._news.is_set():
            self._news.set()

    def end(self, voice: Voice, done: Done) -> None:
        """It has said everything. `done` is called by the thread that writes."""
        with self._lock:
            voice.done = done
            self._speaking[voice] = None
        self._hurry.set()
        self._news.set()

    def forget(self, voice: Voice) -> None:
        """What it has said and is not written yet is not wanted any more."""
        with self._lock:
            self._speaking.pop(voice, None)

    def _run(self) -> None:
        while True:
            self._news.wait()
            self._news.clear()
            self._hurry.clear()
            self._write()
            # nobody waits longer than a tick; a job that waits for its end does not even wait so long
            self._hurry.wait(TICK)

    def _write(self) -> None:
        said: dict[uuid.UUID, list[TurnEvent]] = {}
        ended: list[tuple[Voice, Done]] = []
        with self._lock:
            speaking, self._speaking = self._speaking, {}
            for voice in speaking:
                if voice.unsaid:
                    said.setdefault(voice.turn_id, []).append(voice.event())
                    voice.unsaid = []
                if voice.done is not None:
                    ended.append((voice, voice.done))
                    voice.done = None
        if error := _written(said):
            for voice in speaking:
                voice.error = error
        for voice, done in ended:
            done(voice.error)


def _written(said: dict[uuid.UUID, list[TurnEvent]]) -> Exception | None:
    """Why it could not be written. All answers of this moment come to nothing then and are begun again, as those of a
    killed process are."""
    try:
        if said:
            turn_log().append_all(said)
    except Exception as error:  # noqa: BLE001 - raised again in the jobs whose answers it concerns
        return error
    return None


@one_a_process
def scribe() -> Scribe:
    """The one of this process."""
    return Scribe()
