"""The shape of what the pages of comparisons send."""

from collections.abc import Iterable
from typing import Any

from django.http import QueryDict
from django.utils.translation import gettext as _

from annotation.assignments.models import Presentation
from annotation.common.timers import Timers, is_count, read_measured, read_timers, viewport_of
from annotation.participation.forms import FRAME_FIELDS
from annotation.studies.questions.base import Fields

# begins with what no question's name begins with
PLAYED_FIELD = "_played-"


def timings_of(timers: Timers) -> dict[str, Any]:
    """What a page measured, for storing beside what was sent on it."""
    measured = {
        "first_click_ms": timers.first_click_ms,
        "last_click_ms": timers.last_click_ms,
        "submit_ms": timers.submit_ms,
        "clicks": timers.clicks,
    }
    return {name: value for name, value in measured.items() if value is not None} | timers.details


def card_timings(data: QueryDict) -> dict[str, Any]:
    """The times of a card: from the moment that it was shown to the decision."""
    return timings_of(read_timers(str(data.get("timers", ""))))


def judged_fields(fields: dict[str, list[str]]) -> dict[str, list[str]]:
    """A form's fields without what tells about the page alone."""
    return {name: values for name, values in fields.items() if name != "shown"}


def unplayed(names: Iterable[str], fields: Fields) -> dict[str, str]:
    """Field → what is wrong, for each sound or film that has to be played to its end and was not."""
    return {
        f"{PLAYED_FIELD}{name}": _("Play it to its end first.")
        for name in names
        if not fields.get(f"{PLAYED_FIELD}{name}")
    }


def read_card_shown(raw: str, presentation: Presentation) -> dict[str, Any]:
    """What the browser saw of a card, from the hidden field `shown`: the viewport, and per slot whether its text was
    cut off, opened, and how much of it came into sight. It comes from a browser, so what is odd is left out."""
    given = read_measured(raw)
    shown: dict[str, Any] = viewport_of(given)
    slots = given.get("slots")
    if isinstance(slots, dict):
        shown["slots"] = {slot: _slot(slots[slot]) for slot in presentation.slots() if slot in slots}
    if is_count(given.get("zoomed")):
        shown["zoomed"] = given["zoomed"]
    if isinstance(given.get("same_crop"), bool):
        shown["same_crop"] = given["same_crop"]
    return shown


def without_frame(fields: Fields) -> dict[str, list[str]]:
    """A draft's fields without the key and what else belongs to one sending."""
    return {name: list(values) for name, values in fields.items() if name not in {*FRAME_FIELDS, "shown"}}


def _slot(given: Any) -> dict[str, Any]:
    if not isinstance(given, dict):
        return {}
    flags = {name: given[name] for name in ("cut", "opened", "played") if isinstance(given.get(name), bool)}
    seen = given.get("seen")
    is_share = isinstance(seen, int | float) and not isinstance(seen, bool) and 0 <= seen <= 1
    return flags | ({"seen": round(float(seen), 2)} if is_share and seen is not None else {})
