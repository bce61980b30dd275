"""Many processes claim and judge at once: every item gets exactly its judgements, from different people. The size that
is run by hand is `make bench NAME=many_claimers`."""

from datetime import timedelta
from pathlib import Path

import pytest
from django.db import connection
from django.utils import timezone

from annotation.assignments.models import Assignment
from annotation.assignments.services import expire_overdue
from annotation.judgements.models import Judgement
from tests.claimers import Claimers, study_for, what_is_wrong
from tests.live import wait_until, worker_environment

ITEMS = 48


@pytest.fixture
def people(transactional_db: None) -> list[str]:
    """More processes than cores; SQLite has one writer at a time."""
    return study_for(8 if connection.vendor == "sqlite" else 16, ITEMS)


def claimers(folder: Path, people: list[str]) -> Claimers:
    return Claimers(folder, people, worker_environment())


def test_every_item_gets_exactly_its_judgements_in_each_stratum(people: list[str], tmp_path: Path) -> None:
    run = claimers(tmp_path / "all", people)
    run.start()
    run.wait(timeout=120)
    assert (run.errors(), what_is_wrong(run.acknowledged(), ITEMS)) == ([], [])
    assert len(run.acknowledged()) == 3 * ITEMS


def test_nothing_is_lost_or_judged_once_more_when_a_third_of_them_is_killed(people: list[str], tmp_path: Path) -> None:
    run = claimers(tmp_path / "killed", people)
    run.start()
    wait_until("a quarter of the places is judged", lambda: Judgement.objects.count() >= ITEMS * 3 // 4)
    run.kill(range(0, len(people), 3))
    run.wait(timeout=120)
    # what the killed ones held is open again when its time is over, and the others come back for it
    held = Assignment.objects.filter(state="leased").count()
    assert expire_overdue(now=timezone.now() + timedelta(hours=1)) == held
    again = claimers(tmp_path / "again", [person for number, person in enumerate(people) if number % 3])
    again.start()
    again.wait(timeout=120)
    assert run.errors() + again.errors() == []
    assert what_is_wrong(run.acknowledged() + again.acknowledged(), ITEMS) == []
    assert Assignment.objects.filter(state="expired").count() == held
