"""What a study's document says about exports is checked when it is saved, and done when it is published."""

from datetime import timedelta
from typing import Any

import pytest
from django.utils import timezone

from annotation.common.errors import DocumentError
from annotation.exports.models import ExportSchedule
from annotation.studies import services
from annotation.studies.loading import written
from annotation.studies.models import Study
from tests.factories import comparisons

pytestmark = pytest.mark.django_db
NOW = timezone.now()


def saved(study: Study | None = None, **export: Any) -> Study:
    text = written(comparisons.document(export=export))
    if study is None:
        return services.create_study(slug="compare", draft=text, actor="ada", now=NOW)
    services.save_draft_document(study=study, text=text, actor="ada", now=NOW)
    return study


def published(study: Study, at: Any = NOW) -> dict[str, tuple[bool, str, str]]:
    """Layout → whether it is on, and when it comes, of every schedule of the document."""
    services.publish(study=study, actor="ada", now=at)
    rows = ExportSchedule.objects.filter(study=study, declared=True)
    return {one.layout: (one.enabled, one.crontab.hour, one.crontab.minute) for one in rows}


def test_what_cannot_be_done_is_refused_by_its_path() -> None:
    options = {"preference": {"form": "words"}, "csv": {}}
    with pytest.raises(DocumentError) as caught:
        saved(layouts=["prefernce"], options=options, schedule="whenever")
    assert [(path, text.split(";")[0].split(".")[0]) for path, text in caught.value.problems] == [
        ("export.layouts.0", "prefernce is no layout"),
        ("export.options.preference", "preference: form is 'words'"),
        ("export.options.csv", "csv is no layout"),
        ("export.schedule", "“whenever” is not understood"),
    ]
    assert Study.objects.count() == 0


def test_publishing_makes_the_schedules_that_the_document_asks_for_and_leaves_those_of_staff_alone() -> None:
    study = saved(layouts=["preference", "raw_votes"], schedule="every day at 02:00")
    both = {"preference": (True, "2", "0"), "raw_votes": (True, "2", "0")}
    assert (published(study), published(study)) == (both, both)
    by_hand = ExportSchedule.objects.get(layout="preference")
    assert by_hand.next_due_at is not None
    assert NOW < by_hand.next_due_at <= NOW + timedelta(days=1)
    ExportSchedule.objects.filter(layout="raw_votes").update(enabled=False)
    by_hand.pk, by_hand.declared = None, False
    by_hand.save()

    saved(study, layouts=["raw_votes", "listwise"], schedule="every day at 03:30")
    assert published(study) == {
        "preference": (False, "2", "0"), "raw_votes": (False, "3", "30"), "listwise": (True, "3", "30"),
    }  # fmt: skip
    saved(study, layouts=["preference"], schedule="every hour")
    assert published(study)["preference"] == (True, "*", "0")
    by_hand.refresh_from_db()
    assert (by_hand.enabled, by_hand.crontab.hour) == (True, "2")
