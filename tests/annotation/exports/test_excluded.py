"""Releases act on what researchers decide about quality flags: who is excluded is left out and counted, kept where the
study or whoever asks for the release says so, and marked in the linked tables."""

from datetime import datetime, timedelta
from typing import Any

import pytest

from annotation.exports.judged.names import Names
from annotation.exports.layouts import LAYOUTS
from annotation.exports.reading import Reading
from annotation.participation.models import Participation
from annotation.quality.models import Flag
from annotation.quality.services import decide_flag
from annotation.studies.models import Study
from tests.annotation.exports.conftest import Export, records
from tests.annotation.exports.layouts.expected import counts, out
from tests.factories import judged, prism_rows

COUNT = "judgements left out: of people who were excluded"
DAY = timedelta(days=1)


def flagged(person: Participation) -> Flag:
    fields: dict[str, Any] = {"check_name": "pasted_text", "check_version": "1", "raised_at": person.started_at}
    return Flag.objects.get_or_create(participation=person, **fields)[0]


def decided(person: Participation, decision: str, *, at: datetime) -> None:
    decide_flag(flag_id=flagged(person).pk, decision=decision, reason="Copied.", actor="ann", now=at)


@pytest.fixture
def careful(db: None) -> Participation:
    """Somebody who judged one pair; `careless` judged the same one."""
    study = judged.study({"better": judged.PREFERENCE})
    item = judged.item(study, ["It rains.", "No."])
    for number in range(2):
        judged.vote(judged.judge(study), item, judged.about(better=judged.ids(item)[number]))
    return study.participations.get(ordinal=0)


@pytest.fixture
def careless(careful: Participation) -> Participation:
    return careful.study.participations.get(ordinal=1)


def names_of(*people: Participation) -> list[str]:
    return [Names(person.study).person(person) for person in people]


def judges(rows: list[dict[str, Any]]) -> list[str]:
    return [row["annotator"] for row in rows]


def test_every_layout_says_what_becomes_of_excluded_people() -> None:
    silent = [name for name, layout in LAYOUTS.items() if "excluded" not in {option.name for option in layout.options}]
    # it holds everybody, and marks them
    assert silent == ["linked_tables"]


def test_who_is_excluded_is_left_out_and_counted(
    careful: Participation, careless: Participation, export: Export
) -> None:
    decided(careless, "excluded", at=judged.CUT_OFF)
    decided(careful, "confirmed", at=judged.CUT_OFF)

    folder = out(export, "preference")

    assert judges(records(folder, "preference")) == names_of(careful)
    assert counts(folder) == {COUNT: 1, "pairs with a winner": 1}
    assert prism_rows.manifest(folder)["people"] == 1
    said = "People whom a researcher excluded over a quality flag are not in it either; that is counted below."
    assert said in (folder / "README.md").read_text(encoding="utf-8").splitlines()


def test_whoever_asks_for_a_release_can_keep_them(
    careful: Participation, careless: Participation, export: Export
) -> None:
    decided(careless, "excluded", at=judged.CUT_OFF)

    folder = out(export, "raw_votes", options={"excluded": "keep"})

    assert judges(records(folder, "raw_votes")) == names_of(careful, careless)
    assert counts(folder) == {"votes: winner": 2}


def test_the_studys_document_can_keep_them(careful: Participation, careless: Participation, export: Export) -> None:
    decided(careless, "excluded", at=judged.CUT_OFF)
    study = careful.study
    declared = {"layouts": ["listwise"], "options": {"listwise": {"excluded": "keep"}}}
    prism_rows.publish(study, study.current.document | {"export": declared})  # type: ignore[union-attr]  # published

    kept, left_out = out(export, "listwise"), out(export, "preference")

    assert judges(records(kept, "listwise")) == names_of(careful, careless)
    assert judges(records(left_out, "preference")) == names_of(careful)


def test_the_decision_that_stood_at_the_cut_off_is_the_one_that_counts(careless: Participation) -> None:
    for days, decision in enumerate(("excluded", "dismissed", "excluded")):
        decided(careless, decision, at=judged.CUT_OFF + days * DAY)

    excluded = [Reading(careless.study, judged.CUT_OFF + days * DAY).excluded for days in (-1, 0, 1, 2)]

    assert excluded == [frozenset(), {careless.pk}, frozenset(), {careless.pk}]


def test_one_flag_is_enough(careless: Participation) -> None:
    Flag.objects.create(
        participation=careless, check_name="speed_mad", check_version="1", raised_at=careless.started_at
    )
    decided(careless, "excluded", at=judged.CUT_OFF)
    assert Reading(careless.study, judged.CUT_OFF).excluded == {careless.pk}


def test_linked_tables_hold_everybody_and_mark_who_is_excluded(
    careful: Participation, careless: Participation, export: Export
) -> None:
    decided(careless, "excluded", at=judged.CUT_OFF)
    decided(careless, "dismissed", at=judged.CUT_OFF + DAY)
    flagged(careful)

    folder = out(export, "linked_tables")

    people = {row["annotator"]: row["excluded"] for row in records(folder, "participations")}
    assert people == dict(zip(names_of(careful, careless), (False, True), strict=True))
    flags = {row["annotator"]: (row["decision"], row["reason"], row["decided_at"]) for row in records(folder, "flags")}
    decisions = (("open", None, None), ("excluded", "Copied.", "2026-03-01T00:00:00.000Z"))
    assert flags == dict(zip(names_of(careful, careless), decisions, strict=True))
    assert len(records(folder, "judgements")) == 2
    assert counts(folder) == {"people marked as excluded": 1}


@pytest.fixture
def prism(db: None) -> Study:
    """Three people with a talk each; the second is excluded."""
    study = prism_rows.prism_study()
    for _ in range(3):
        prism_rows.person(study, talks=("unguided",))
    decided(study.participations.get(ordinal=1), "excluded", at=prism_rows.CUT_OFF)
    return study


def test_prism_leaves_out_everything_of_an_excluded_person(prism: Study, export: Export) -> None:
    folder = export("out")

    said = [prism.participations.get(ordinal=n).profile.get(question="self_description").value for n in (0, 2)]
    assert [(row["user_id"], row["self_description"]) for row in records(folder, "survey")] == [
        ("user0", said[0]),
        ("user1", said[1]),
    ]
    for table in ("conversations", "utterances", "metadata"):
        assert {row["user_id"] for row in records(folder, table)} == {"user0", "user1"}
    assert prism_rows.manifest(folder)["counts"]["people left out: excluded"] == 1


def test_prism_keeps_them_where_it_is_told_to(prism: Study, export: Export) -> None:
    folder = export("out", options={"excluded": "keep"})

    assert [row["user_id"] for row in records(folder, "survey")] == ["user0", "user1", "user2"]
    assert len(records(folder, "conversations")) == 3
    assert "people left out: excluded" not in prism_rows.manifest(folder)["counts"]


def test_texts_of_excluded_people_are_not_assessed(prism: Study) -> None:
    read = {
        choice: Reading(prism, prism_rows.CUT_OFF, options={"excluded": choice}) for choice in ("keep", "leave_out")
    }
    person = prism.participations.get(ordinal=1)
    texts = {choice: list(LAYOUTS["prism"].texts(reading)) for choice, reading in read.items()}
    theirs = person.conversations.get().turns.get(number=0).user_text
    assert (theirs in texts["keep"], theirs in texts["leave_out"]) == (True, False)


@pytest.mark.parametrize(("choice", "left_out"), [("keep", 0), ("leave_out", 1)])
def test_community_alignment_acts_on_it_too(prism: Study, export: Export, choice: str, left_out: int) -> None:
    folder = export("wide", layout="community_alignment", options={"excluded": choice})

    assert len(records(folder, "community_alignment")) == 3 - left_out
    assert counts(folder).get("people left out: excluded", 0) == left_out
