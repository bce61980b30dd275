"""Words to a crontab, and when a crontab comes next."""

from datetime import UTC, datetime

import pytest
from django_celery_beat.models import CrontabSchedule

from annotation.common.errors import DomainError
from annotation.exports.schedule import next_time, schedule_from_words


def fields(crontab: CrontabSchedule) -> tuple[str, str, str, str]:
    return crontab.minute, crontab.hour, crontab.day_of_week, crontab.day_of_month


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        ("every day at 02:00", ("0", "2", "*", "*")),
        ("Every  Day at 2:05", ("5", "2", "*", "*")),
        ("every hour", ("0", "*", "*", "*")),
        ("every monday at 06:30", ("30", "6", "1", "*")),
        ("every sunday at 23:59", ("59", "23", "0", "*")),
        ("every month on day 28 at 03:00", ("0", "3", "*", "28")),
    ],
)
def test_words_become_a_crontab(db: None, words: str, expected: tuple[str, str, str, str]) -> None:
    assert fields(schedule_from_words(words)) == expected


def test_the_same_words_give_the_same_row(db: None) -> None:
    assert schedule_from_words("every day at 02:00").pk == schedule_from_words("every day at 2:00").pk


@pytest.mark.parametrize(
    "words",
    [
        "",
        "daily",
        "every day",
        "every day at 24:00",
        "every day at 10:60",
        "every hour at 10:00",
        "every month at 10:00",
        "every month on day 29 at 10:00",
        "every day on day 3 at 10:00",
        "every monday at 06:30 or so",
    ],
)
def test_other_words_are_refused_with_those_that_are_understood(db: None, words: str) -> None:
    with pytest.raises(DomainError) as refused:
        schedule_from_words(words)

    assert refused.value.text == (
        f"“{words}” is not understood. Allowed are: every hour, every day at 02:00, every monday at 06:30, every month "
        "on day 1 at 03:00 (UTC, 24 hours, days 1 to 28)."
    )
    assert not CrontabSchedule.objects.exists()


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        ("every hour", datetime(2024, 2, 28, 13, 0, tzinfo=UTC)),
        ("every day at 12:30", datetime(2024, 2, 29, 12, 30, tzinfo=UTC)),
        ("every day at 12:31", datetime(2024, 2, 28, 12, 31, tzinfo=UTC)),
        ("every monday at 06:30", datetime(2024, 3, 4, 6, 30, tzinfo=UTC)),
        ("every sunday at 06:30", datetime(2024, 3, 3, 6, 30, tzinfo=UTC)),
        ("every month on day 1 at 03:00", datetime(2024, 3, 1, 3, 0, tzinfo=UTC)),
    ],
)
def test_the_next_time_is_after_now(db: None, words: str, expected: datetime) -> None:
    wednesday = datetime(2024, 2, 28, 12, 30, 20, tzinfo=UTC)

    assert next_time(schedule_from_words(words), wednesday) == expected


def test_a_crontab_counts_in_its_own_time_zone() -> None:
    berlin = CrontabSchedule(minute="0", hour="2", timezone="Europe/Berlin")

    assert next_time(berlin, datetime(2024, 7, 1, tzinfo=UTC)) == datetime(2024, 7, 2, 0, 0, tzinfo=UTC)
