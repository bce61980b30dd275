"""When exports run: words to a crontab, and the next time of a crontab."""

import re
from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

from django_celery_beat.models import CrontabSchedule

from annotation.common.errors import DomainError

DAYS = ("sunday", "monday", "tuesday", "wednesday", "thursday", "friday", "saturday")
WORDS = re.compile(
    r"every (?P<what>hour|day|month|" + "|".join(DAYS) + r")(?: on day (?P<date>\d{1,2}))?"
    r"(?: at (?P<hour>\d{1,2}):(?P<minute>\d{2}))?",
    re.IGNORECASE,
)
ALLOWED = (
    "every hour, every day at 02:00, every monday at 06:30, every month on day 1 at 03:00 (UTC, 24 hours, days 1 to 28)"
)
LONGEST_WAIT = timedelta(days=366 * 4 + 1)


def crontab_of(words: str) -> dict[str, str]:
    """The fields of the crontab that the words name, in UTC; `DomainError` says which words are understood."""
    found = WORDS.fullmatch(" ".join(words.split()))
    fields = _fields(found) if found else None
    if fields is None:
        raise DomainError(f"“{words}” is not understood. Allowed are: {ALLOWED}.", field="schedule")
    return fields


def schedule_from_words(words: str) -> CrontabSchedule:
    fields = crontab_of(words)
    # several rows may be equal; the first is as good as any
    return CrontabSchedule.objects.filter(**fields).first() or CrontabSchedule.objects.create(**fields)


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


def next_time(crontab: CrontabSchedule, after: datetime) -> datetime:
    """The first minute after `after` that the crontab names, in its own time zone."""
    rules = crontab.schedule
    zone = ZoneInfo(str(crontab.timezone))
    moment = after.astimezone(zone).replace(second=0, microsecond=0) + timedelta(minutes=1)
    end = moment + LONGEST_WAIT
    while moment < end:
        if not _is_day(rules, moment):
            moment = (moment + timedelta(days=1)).replace(hour=0, minute=0)
        elif moment.hour not in rules.hour:
            moment = (moment + timedelta(hours=1)).replace(minute=0)
        elif moment.minute not in rules.minute:
            moment += timedelta(minutes=1)
        else:
            return moment.astimezone(UTC)
    raise DomainError(f"“{crontab}” never comes.", field="crontab")


def _is_day(rules: object, moment: datetime) -> bool:
    return (
        moment.month in rules.month_of_year  # type: ignore[attr-defined]  # celery ships no types for crontab's sets
        and moment.day in rules.day_of_month  # type: ignore[attr-defined]  # as above
        and moment.isoweekday() % 7 in rules.day_of_week  # type: ignore[attr-defined]  # as above
    )
