"""What a study's document declares about exports becomes schedules by itself."""

from datetime import UTC, datetime, timedelta

import pytest

from annotation.accounts.models import AuditEntry
from annotation.exports.models import ExportSchedule
from annotation.exports.services import start_due
from annotation.studies.models import Study
from tests.factories.studies import SMALL, republished, study

pytestmark = pytest.mark.django_db
NOW = datetime(2026, 3, 1, 12, 0, tzinfo=UTC)
NIGHTLY = {"layouts": ["prism"], "schedule": "every day at 02:00"}


def declared(**export: object) -> Study:
    return study(SMALL | {"export": export})


def rows() -> list[tuple[str, str, bool]]:
    found = ExportSchedule.objects.order_by("pk").select_related("crontab")
    return [(row.layout, f"{row.crontab.hour}:{row.crontab.minute}", row.enabled) for row in found]


def test_a_declared_schedule_is_made_once_and_comes_due() -> None:
    declared(**NIGHTLY)
    start_due(now=NOW)
    start_due(now=NOW + timedelta(minutes=1))
    assert rows() == [("prism", "2:0", True)]
    assert ExportSchedule.objects.get().next_due_at == datetime(2026, 3, 2, 2, 0, tzinfo=UTC)


def test_a_version_with_other_words_moves_it_and_one_without_takes_it_away() -> None:
    made = declared(**NIGHTLY)
    start_due(now=NOW)
    republished(made, SMALL | {"export": NIGHTLY | {"schedule": "every day at 05:30"}})
    start_due(now=NOW)
    moved = rows()
    republished(made, SMALL)
    start_due(now=NOW)
    assert (moved, rows()) == ([("prism", "5:30", True)], [])


def test_switching_it_off_in_the_admin_holds() -> None:
    declared(**NIGHTLY)
    start_due(now=NOW)
    ExportSchedule.objects.update(enabled=False)
    start_due(now=NOW + timedelta(days=2))
    assert rows() == [("prism", "2:0", False)]


def test_nothing_goes_out_of_a_draft() -> None:
    made = declared(**NIGHTLY)
    Study.objects.filter(pk=made.pk).update(state=Study.State.DRAFT)
    start_due(now=NOW)
    assert rows() == []


def test_a_layout_that_does_not_exist_stands_in_the_audit_log_once() -> None:
    declared(layouts=["prismatic"], schedule="every hour")
    start_due(now=NOW)
    start_due(now=NOW)
    assert [entry.subject for entry in AuditEntry.objects.filter(action="export layout unknown")] == [
        "small v1: prismatic"
    ]
