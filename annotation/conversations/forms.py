"""The shape of what the pages of a talk send."""

from typing import Any

from django.http import QueryDict
from django.utils.translation import gettext as _
from django.utils.translation import ngettext

from annotation.common.storable import storable
from annotation.common.timers import is_count, read_measured, read_timers, viewport_of
from annotation.studies.document.steps import ConversationsStep

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
    given = read_measured(raw)
    if not given:
        return {}
    slots = given.get("slots")
    times = {slot: _times(slots[slot]) for slot in SLOTS if slot in slots} if isinstance(slots, dict) else {}
    return {"slots": times} | viewport_of(given) | {"resumed": bool(given.get("resumed"))}


def _times(given: Any) -> dict[str, int]:
    if not isinstance(given, dict):
        return {}
    return {name: given[name] for name in ("first_ms", "done_ms", "resets") if is_count(given.get(name))}
