"""Times of a schedule in words, such as “every day at 02:00”, and what they mean as a crontab (UTC)."""

import re

DAYS = ("sunday", "monday", "tuesday", "wednesday", "thursday", "friday", "saturday")
WORDS = re.compile(
    r"every (?P<what>hour|day|month|" + "|".join(DAYS) + r")(?: on day (?P<date>\d{1,2}))?"
    r"(?: at (?P<hour>\d{1,2}):(?P<minute>\d{2}))?",
    re.IGNORECASE,
)
ALLOWED = (
    "every hour, every day at 02:00, every monday at 06:30, every month on day 1 at 03:00 (UTC, 24 hours, days 1 to 28)"
)


def crontab_fields(words: str) -> dict[str, str] | None:
    """The fields of the crontab that the words name; `None` where they are not understood (see `ALLOWED`)."""
    found = WORDS.fullmatch(" ".join(words.split()))
    return _fields(found) if found else None


def _fields(found: re.Match[str]) -> dict[str, str] | None:
    what, date = found["what"].lower(), found["date"]
    hour, minute = int(found["hour"] or 0), int(found["minute"] or 0)
    timed, monthly = found["hour"] is not None, what == "month"
    if hour > 23 or minute > 59 or (date is not None) != monthly or (date and not 1 <= int(date) <= 28):
        return None
    if timed == (what == "hour"):
        return None
    return {
        "minute": str(minute),
        "hour": "*" if what == "hour" else str(hour),
        "day_of_week": str(DAYS.index(what)) if what in DAYS else "*",
        "day_of_month": str(int(date)) if date else "*",
        "month_of_year": "*",
        "timezone": "UTC",
    }
