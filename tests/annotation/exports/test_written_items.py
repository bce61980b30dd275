"""What somebody wrote for others to judge goes out with its author's rows, and never without them."""

import json
from datetime import timedelta

import pytest
from django.utils import timezone

from annotation.assignments.services import collect_written, lease_next, open_missing_places
from annotation.participation.models import Participation
from annotation.participation.services import withdraw
from annotation.studies.models import Study
from tests.annotation.exports.conftest import Export, records
from tests.factories import comparisons, written

NOW = timezone.now()
AFTER = NOW + timedelta(days=1)


@pytest.fixture
def judged(db: None) -> tuple[Study, Participation]:
    """Ada and Bob wrote, Cora judged what both wrote. The study and Ada."""
    study = written.study_that_is_fed(NOW)
    ada = written.write(study, "Tea.", NOW)
    written.write(study, "Coffee.", NOW)
    collect_written(study=study, now=NOW)
    open_missing_places(now=NOW)
    cora, step = comparisons.person(study, step=2), comparisons.step_of(study, "marking")
    while (place := lease_next(participation=cora, step=step, now=NOW)) is not None:
        comparisons.judged(place, now=NOW)
    return study, ada


def texts(export: Export, name: str) -> list[str]:
    """Of the answers that were marked, then of what lies in the linked tables."""
    marks = records(export(name, "compare", at=AFTER, layout="aspects", options={"form": "strings"}), "aspects")
    tables = records(export(f"{name}-tables", "compare", at=AFTER, layout="linked_tables"), "candidates")
    contents = [json.loads(row["content"])["text"] for row in tables]
    return sorted(mark["response"] for mark in marks) + sorted({"Tea.", "Coffee."} & set(contents))


def test_the_linked_tables_say_what_a_text_was_written_about(
    export: Export, judged: tuple[Study, Participation]
) -> None:
    folder = export("all", "compare", at=AFTER, layout="linked_tables")
    items = {row["item_id"]: row["external_id"] for row in records(folder, "items")}
    sources = [json.loads(row["provenance"]) for row in records(folder, "candidates")]
    about = [items[source["from_item"]] for source in sources if source.get("step") == "judge"]
    assert about == ["item-0", "item-0"]


def test_after_a_withdrawal_what_the_person_wrote_is_in_no_release(
    export: Export, judged: tuple[Study, Participation]
) -> None:
    _, ada = judged
    before = texts(export, "before")
    withdraw(participation=ada, reason="person", actor="", now=NOW)
    assert (before, texts(export, "after")) == (["Coffee.", "Tea."] * 2, ["Coffee."] * 2)
