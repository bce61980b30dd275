"""What a page's script measured, as it arrives in the hidden fields `timers` and `shown`. It comes from a browser, so
everything in it is checked, and what is odd counts as not measured."""

import json
from dataclasses import dataclass, field
from typing import Any

LONGEST_MS = 2_147_483_647
MOST_CHARS = 5_000
COUNTS = ("blurs", "hidden_ms", "pastes", "keys")


@dataclass(frozen=True, slots=True)
class Timers:
    """Milliseconds after the page was shown; `details` has the counts of focus losses, pastes and keys, and the
    viewport."""

    first_click_ms: int | None = None
    last_click_ms: int | None = None
    submit_ms: int | None = None
    clicks: int | None = None
    details: dict[str, Any] = field(default_factory=dict)


def read_timers(raw: str) -> Timers:
    """The timers in a form's field; all unknown where it is empty or broken."""
    given = read_measured(raw)
    details: dict[str, Any] = {name: _count(given.get(name)) for name in COUNTS if _count(given.get(name)) is not None}
    return Timers(
        first_click_ms=_count(given.get("first_click_ms")),
        last_click_ms=_count(given.get("last_click_ms")),
        submit_ms=_count(given.get("submit_ms")),
        clicks=_count(given.get("clicks")),
        details=details | viewport_of(given),
    )


def read_measured(raw: str) -> dict[str, Any]:
    """The JSON object in such a field; an empty one where there is none."""
    try:
        given = json.loads(raw) if len(raw) < MOST_CHARS else None
    except ValueError:
        given = None
    return given if isinstance(given, dict) else {}


def viewport_of(given: dict[str, Any]) -> dict[str, list[int]]:
    """`{"viewport": [width, height]}`, where the browser said so."""
    viewport = given.get("viewport")
    said = isinstance(viewport, list) and len(viewport) == 2 and all(is_count(side) for side in viewport)
    return {"viewport": viewport} if said and viewport else {}


def is_count(value: object) -> bool:
    """Whether it can be a number of things, pixels or milliseconds."""
    return isinstance(value, int) and not isinstance(value, bool) and 0 <= value <= LONGEST_MS


def _count(value: Any) -> int | None:
    return value if is_count(value) else None
