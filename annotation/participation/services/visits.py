"""The times of one page."""

from datetime import datetime, timedelta

from annotation.common.timers import Timers
from annotation.participation.models import PageVisit, Participation


def new_visit(
    participation: Participation, place: tuple[str, int], timers: Timers, *, key: str, now: datetime, sha256: str = ""
) -> PageVisit:
    """A visit that is not saved yet; `place` is the step's name and the page in it."""
    return PageVisit(
        participation=participation,
        step=place[0],
        page=place[1],
        shown_at=None if timers.submit_ms is None else now - timedelta(milliseconds=timers.submit_ms),
        first_click_ms=timers.first_click_ms,
        last_click_ms=timers.last_click_ms,
        submit_ms=timers.submit_ms,
        click_count=timers.clicks,
        details=timers.details,
        key=key,
        sha256=sha256,
        submitted_at=now,
    )
