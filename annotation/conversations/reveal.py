"""How much of a turn's answers the person sees at which moment. Pacing is decided here, on the server, so that not even
the network tab tells how fast a model is.

* free: as it comes.
* in_step: nothing until every slot has begun (or `hold` seconds), then one piece a slot at one pace; who is late is
  waited for, at most `hold` seconds; "done" when all are.
* together: nothing until all are done.

Pure: log entries and moments go in, what the browser is told comes out."""

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

from annotation.conversations.live import Entry, TurnEvent

Mode = Literal["free", "in_step", "together"]
# a word with the space before it; long words (and scripts without spaces) in parts
LONGEST_PIECE = 12
PIECE = re.compile(rf"\s*\S{{1,{LONGEST_PIECE}}}")


@dataclass(frozen=True, slots=True)
class Told:
    """One event for the browser."""

    name: str
    data: dict[str, Any]
    id: int | None = None


@dataclass(slots=True)
class _Slot:
    """What is known of a slot: the pieces of its text that may be shown, how many of them were, and what of the text is
    in no piece yet. `seen`: the browser shows something of it."""

    mode: Mode
    attempt: int = 0
    done: bool = False
    pieces: list[str] = field(default_factory=list)
    unread: str = ""
    shown: int = 0
    seen: bool = False
    waited_for: bool = True

    def take(self, event: TurnEvent) -> bool:
        """Note an event of this slot. `False`: it comes from an attempt that was given up, and is void."""
        if event.attempt < self.attempt:
            return False
        if event.kind in {"reset", "replaced"} or event.attempt > self.attempt:
            self.pieces, self.unread, self.done, self.shown = [], "", False, 0
        self.attempt = event.attempt
        self.done = self.done or event.kind == "done"
        # what is told as it comes need not be kept
        if self.mode != "free":
            self.unread += event.text
        if self.mode == "in_step":
            self._read()
        return True

    def _read(self) -> None:
        """Looks at new text alone: earlier pieces never change."""
        found = PIECE.findall(self.unread)
        if found and not self.done and self._may_grow(found[-1]):
            found.pop()
        self.pieces += found
        self.unread = self.unread[sum(map(len, found)) :]

    def _may_grow(self, piece: str) -> bool:
        return not self.unread[-1].isspace() and len(piece.lstrip()) < LONGEST_PIECE

    def released(self, position: int) -> str:
        """What is new up to that piece."""
        fresh = self.pieces[self.shown : position]
        self.shown += len(fresh)
        self.seen = self.seen or bool(fresh)
        return "".join(fresh)

    def rest(self) -> str:
        return "".join(self.pieces[self.shown :]) + self.unread


class Reveal:
    """The state of one reader of one turn."""

    def __init__(self, mode: Mode, slots: Iterable[str], *, hold: float, pace: float, started: float) -> None:
        self.mode = mode
        self.slots = {slot: _Slot(mode) for slot in slots}
        self.hold, self.step = hold, 1 / pace
        self.started = started
        self.position = 0
        self.next_at: float | None = None
        self.end: TurnEvent | None = None
        self.ended = False

    # -- in ----------------------------------------------------------------------------------------------------------
    def take(self, entries: Sequence[Entry]) -> list[Told]:
        """Note what the log says; gives what the browser is told at once."""
        told: list[Told] = []
        for entry in entries:
            event = entry.event
            if not event.slot:
                self.end = self.end or event
            elif event.slot not in self.slots or not self.slots[event.slot].take(event):
                continue
            told += self._now(entry)
        return _joined(told)

    def _now(self, entry: Entry) -> list[Told]:
        event = entry.event
        if event.kind == "void":
            return self._over(entry.number)
        if event.kind in {"reset", "replaced"}:
            return self._again(entry)
        if self.mode != "free":
            return []
        if event.kind == "ready":
            return self._over(entry.number)
        self.slots[event.slot].seen = True
        data = {"slot": event.slot} | ({"text": event.text} if event.kind == "token" else {})
        return [Told(event.kind, data, entry.number)]

    def _again(self, entry: Entry) -> list[Told]:
        """Told only where something of the slot is on the screen: which side fails would give it away, and each new
        attempt is in the log twice, from whoever gave up the old one and from the new one itself."""
        slot = self.slots[entry.event.slot]
        told = [Told("reset", {"slot": entry.event.slot}, entry.number)] if slot.seen else []
        slot.seen = False
        return told

    # -- time --------------------------------------------------------------------------------------------------------
    def due(self, now: float) -> list[Told]:
        """What is to be told at this moment because of the time, or because all is there."""
        if self.mode == "free" or self.ended:
            return []
        told = self._paced(now) if self.mode == "in_step" else []
        if self.end is None or (self.mode == "in_step" and self.position < self._longest()):
            return told
        return [*told, *self._rest(), *self._over(None)]

    def waiting(self, now: float) -> float | None:
        """Seconds until `due` may have something; `None`: only the log can tell."""
        if self.mode != "in_step" or self.ended:
            return None
        if self.next_at is None:
            return self.started + self.hold - now if now < self.started + self.hold else None
        if self.position >= self._longest() and self.end is None:
            return None
        return max(self.next_at + (self.hold if self._somebody_is_late() else 0.0) - now, 0.0)

    def snapshot(self, now: float) -> Told:
        """All that may be seen by now where answers do not come freely, for a reader who comes late or comes back."""
        if self.mode == "in_step":
            self._fast_forward(now)
        return Told("snapshot", {"slots": {letter: self._seen(slot) for letter, slot in self.slots.items()}})

    def _seen(self, slot: _Slot) -> dict[str, Any]:
        slot.shown = 0
        return {"text": slot.released(self.position), "done": False}

    # -- in step -----------------------------------------------------------------------------------------------------
    def _begun(self, now: float) -> bool:
        if self.next_at is None:
            all_there = all(slot.pieces or slot.done for slot in self.slots.values())
            if all_there or (now >= self.started + self.hold and self._longest()):
                # who is silent after the hold was waited for already
                self.next_at = now if all_there else now - self.hold
        return self.next_at is not None

    def _fast_forward(self, now: float) -> None:
        """About where a reader who had been there all the time would be: as far as the pace allows since the turn
        began, but no further than every unfinished slot has come."""
        if self._begun(now) and self.position == 0:
            unfinished = [len(slot.pieces) for slot in self.slots.values() if not slot.done]
            could = int(max(now - self.started, 0) / self.step)
            self.position = min([could, self._longest(), *unfinished])

    def _paced(self, now: float) -> list[Told]:
        while self._begun(now) and self.next_at is not None and now >= self.next_at and self.position < self._longest():
            if self._somebody_is_late():
                if now < self.next_at + self.hold:
                    break
                self._wait_no_more()
                self.next_at = now
            self.position += 1
            self.next_at += self.step
        fresh = ((letter, slot.released(self.position)) for letter, slot in self.slots.items())
        return [Told("token", {"slot": letter, "text": text}) for letter, text in fresh if text]

    def _behind(self, slot: _Slot) -> bool:
        return len(slot.pieces) <= self.position and not slot.done

    def _somebody_is_late(self) -> bool:
        for slot in self.slots.values():
            # who caught up is waited for again
            slot.waited_for = slot.waited_for or not self._behind(slot)
        return any(slot.waited_for and self._behind(slot) for slot in self.slots.values())

    def _wait_no_more(self) -> None:
        for slot in self.slots.values():
            slot.waited_for = not self._behind(slot)

    def _longest(self) -> int:
        return max((len(slot.pieces) for slot in self.slots.values()), default=0)

    # -- the end -----------------------------------------------------------------------------------------------------
    def _rest(self) -> list[Told]:
        """Whatever was not shown yet, then "done" for all at once."""
        rest = ((letter, slot.rest()) for letter, slot in self.slots.items())
        told = [Told("token", {"slot": letter, "text": text}) for letter, text in rest if text]
        return [*told, *(Told("done", {"slot": letter}) for letter in self.slots)]

    def _over(self, number: int | None) -> list[Told]:
        self.ended = True
        return [Told(self.end.kind if self.end else "void", {}, number)]


def _joined(told: list[Told]) -> list[Told]:
    """Neighbouring texts of one slot as one event under the last one's id."""
    joined: list[Told] = []
    for event in told:
        last = joined[-1] if joined else None
        if last and last.name == event.name == "token" and last.data["slot"] == event.data["slot"]:
            text = last.data["text"] + event.data["text"]
            joined[-1] = Told("token", {"slot": event.data["slot"], "text": text}, event.id)
        else:
            joined.append(event)
    return joined
