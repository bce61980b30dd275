"""What a page's script measured, as it arrives in the hidden field `timers`. It comes from a browser, so everything in
it is checked, and what is odd counts as not measured."""

import json
from dataclasses import dataclass, field
from typing import Any

LONGEST_MS = 2_147_483_647
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
    try:
        given = json.loads(raw) if len(raw) < 5_000 else None
    except ValueError:
        given = None
    if not isinstance(given, dict):
        return Timers()
    details: dict[str, Any] = {name: _count(given.get(name)) for name in COUNTS if _count(given.get(name)) is not None}
    viewport = given.get("viewport")
    if isinstance(viewport, list) and len(viewport) == 2 and all(_count(side) is not None for side in viewport):
        details["viewport"] = viewport
    return Timers(
        first_click_ms=_count(given.get("first_click_ms")),
        last_click_ms=_count(given.get("last_click_ms")),
        submit_ms=_count(given.get("submit_ms")),
        clicks=_count(given.get("clicks")),
        details=details,
    )


def _count(value: object) -> int | None:
    whole = isinstance(value, int) and not isinstance(value, bool) and 0 <= value <= LONGEST_MS
    return value if whole else None  # type: ignore[return-value]  # narrowed in the line above
