"""The shape of what the pages of a talk send."""

import json
from typing import Any

from django.http import QueryDict
from django.utils.translation import gettext as _
from django.utils.translation import ngettext

from annotation.common.storable import storable
from annotation.common.timers import read_timers
from annotation.studies.document.steps import ConversationsStep

LONGEST_MS = 24 * 3600 * 1000
MOST_SHOWN_CHARS = 5_000
SLOTS = tuple("ABCDEFGHIJKL")


class MessageForm:
    """A message: some text, not more than the document allows."""

    def __init__(self, data: QueryDict, step: ConversationsStep) -> None:
        self.text = storable(str(data.get("message", ""))).replace("\r\n", "\n").strip()
        self.timers = read_timers(str(data.get("timers", "")))
        self.error = self._error(step.max_message_chars)

    def _error(self, most: int) -> str:
        if not self.text:
            return _("Write a message first.")
        if len(self.text) > most:
            over = len(self.text) - most
            text = ngettext(
                "Your message is %(n)d character too long.", "Your message is %(n)d characters too long.", over
            )
            return text % {"n": over}
        return ""


def read_shown(raw: str) -> dict[str, Any]:
    """What the browser saw of a turn, from the hidden field `shown`: per slot when its first text and its end appeared,
    in milliseconds after the page began to watch; whether it came late; the viewport. It comes from a browser, so what
    is odd is left out."""
    try:
        given = json.loads(raw) if 0 < len(raw) <= MOST_SHOWN_CHARS else {}
    except ValueError:
        given = {}
    if not isinstance(given, dict):
        return {}
    slots = given.get("slots")
    times = {slot: _times(slots[slot]) for slot in SLOTS if slot in slots} if isinstance(slots, dict) else {}
    shown: dict[str, Any] = {"slots": times}
    viewport = given.get("viewport")
    if isinstance(viewport, list) and len(viewport) == 2 and all(_is_ms(side) for side in viewport):
        shown["viewport"] = viewport
    return shown | {"resumed": bool(given.get("resumed"))}


def _times(given: Any) -> dict[str, int]:
    if not isinstance(given, dict):
        return {}
    return {name: given[name] for name in ("first_ms", "done_ms", "resets") if _is_ms(given.get(name))}


def _is_ms(value: object) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and 0 <= value <= LONGEST_MS
