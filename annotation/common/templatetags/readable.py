"""Plain JSON made readable: which shape a value has, keys as words, moments as dates."""

from datetime import datetime
from typing import Any

from django import template
from django.utils import formats, timezone
from django.utils.dateparse import parse_datetime
from django.utils.translation import gettext as _

register = template.Library()


@register.filter
def shape(value: Any) -> str:
    """`pairs`, `list` (of things with parts), `words` (a list of plain values), `nothing`, or `plain`."""
    if value is None or value in ("", [], {}):
        return "nothing"
    if isinstance(value, dict):
        return "pairs"
    if isinstance(value, list):
        return "list" if any(isinstance(part, dict | list) for part in value) else "words"
    return "plain"


@register.filter
def without_nothing(pairs: dict[str, Any]) -> list[tuple[str, Any]]:
    """The pairs that have a value: a page is for reading, the download has them all."""
    return [(key, value) for key, value in pairs.items() if shape(value) != "nothing"]


@register.filter
def as_words(key: Any) -> str:
    return str(key).replace("_", " ")


@register.filter
def as_moment(value: Any) -> str:
    """A stored moment as a local date and time; everything else as it is."""
    if isinstance(value, bool):
        return _("yes") if value else _("no")
    moment = _moment(value)
    if isinstance(moment, datetime) and timezone.is_aware(moment):
        return formats.date_format(timezone.localtime(moment), "DATETIME_FORMAT")
    return str(value)


def _moment(value: Any) -> datetime | None:
    if not isinstance(value, str) or len(value) > 40 or value[10:11] != "T":
        return None
    try:
        return parse_datetime(value)
    except ValueError:
        # it has the form of a date that does not exist: somebody's own words
        return None
