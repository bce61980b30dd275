"""When places are made: by publishing, by the sweep, by opening a wave."""

from datetime import timedelta
from typing import Any

import pytest
from django.utils import timezone
from structlog.testing import capture_logs

from annotation.accounts.models import AuditEntry
from annotation.assignments.models import Assignment
from annotation.assignments.queries import places_filled
from annotation.assignments.services import open_missing_places, open_next_wave, open_places
from annotation.common.errors import ConflictError
from annotation.items.models import Candidate, Item
from annotation.studies.models import Study
from tests.factories import comparisons

pytestmark = pytest.mark.django_db
NOW = timezone.now()


def test_the_sweep_makes_what_is_missing_and_passes_over_what_it_has_seen(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    study = comparisons.comparing(2, places=False)
    assert open_missing_places(now=NOW) == 4
    comparisons.add_items(study, 1, first=2)
    assert (open_missing_places(now=NOW), open_missing_places(now=NOW)) == (2, 0)
    Item.objects.filter(ordinal=0).update(held="offensive")
    assert (open_missing_places(now=NOW), Assignment.objects.count()) == (0, 4)
    monkeypatch.setattr("annotation.assignments.services.opening.open_places", lambda **_: pytest.fail("looked again"))
    open_missing_places(now=NOW)


def test_after_an_hour_the_sweep_looks_again_whatever_it_has_seen() -> None:
    study = comparisons.comparing(1, places=False)
    Candidate.objects.filter(position=1).update(state=Candidate.State.RUNNING)
    assert open_missing_places(now=NOW, study_id=study.pk) == 0
    Candidate.objects.filter(position=1).update(state=Candidate.State.FINAL)
    later = NOW + timedelta(hours=1, seconds=1)
    assert (open_missing_places(now=NOW), open_missing_places(now=later)) == (0, 2)


def test_one_study_that_fails_keeps_no_other_from_its_places(monkeypatch: pytest.MonkeyPatch) -> None:
    broken, fine = (comparisons.comparing(1, places=False, study=slug) for slug in ("broken", "fine"))

    def make(**given: Any) -> int:
        if given["version"].study_id == broken.pk:
            raise ValueError("somebody's words")
        return open_places(**given)

    monkeypatch.setattr("annotation.assignments.services.opening.open_places", make)
    with capture_logs() as logged:
        assert open_missing_places(now=NOW) == 2
    assert set(Assignment.objects.values_list("study", flat=True)) == {fine.pk}
    assert logged == [
        {"event": "places_of_study_failed", "study": broken.pk, "error": "ValueError", "log_level": "error"}
    ]


def test_closed_and_unpublished_studies_get_no_places() -> None:
    study = comparisons.comparing(1, places=False)
    Study.objects.filter(pk=study.pk).update(state=Study.State.CLOSED)
    assert open_missing_places(now=NOW) == 0
    Study.objects.filter(pk=study.pk).update(state=Study.State.OPEN, current=None)
    assert open_missing_places(now=NOW) == 0


def test_a_wave_is_the_whole_overlap_once_more_and_opens_when_staff_say() -> None:
    study = comparisons.comparing(2, step={"overlap": {"crowd": 1, "expert": 2}, "waves": 2})
    assert places_filled(study.pk, "judge") == {("crowd", "open"): 2, ("expert", "open"): 4}
    assert open_next_wave(study=study, step=comparisons.step_of(study), actor="ada", now=NOW) == 1
    assert open_missing_places(now=NOW) == 6
    assert places_filled(study.pk, "judge") == {("crowd", "open"): 4, ("expert", "open"): 8}
    with pytest.raises(ConflictError, match="all of them are open"):
        open_next_wave(study=study, step=comparisons.step_of(study), actor="ada", now=NOW)
    entry = AuditEntry.objects.get(action="study.open_wave")
    assert (entry.actor, entry.details) == ("ada", {"step": "judge", "wave": 1})
    # nobody judges an item again because there is another wave
    person = comparisons.person(study, pool="expert")
    assert len(comparisons.judge_all(person)) == 2
