"""The linked tables hold everything that may go out, name each other's rows, and lead back to nobody."""

import json
import re
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from django.utils import timezone

from annotation.assignments.models import Assignment
from annotation.conversations.services.conversations import finish_conversation
from annotation.exports.judged.names import Names
from annotation.exports.layouts.linked.schema import TABLES
from annotation.items.models import Candidate, Generation
from annotation.judgements.models import Judgement
from annotation.participation.models import Participation, ProfileEntry
from annotation.quality.models import Flag
from annotation.studies.models import Study
from tests.annotation.exports.conftest import Export, records
from tests.annotation.exports.layouts.expected import counts, out
from tests.factories import comparisons, judged, prism_rows, studies, talks

PREFERRING: dict[str, Any] = {
    "questions": {"better": judged.PREFERENCE},
    "protocols": {"better": {"arrangement": "pair", "about_item": ["better"]}},
}
UUID = re.compile(r"[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}")


@pytest.fixture
def study(db: None) -> Study:
    survey = {"questionnaire": "survey", "pages": [["about"]]}
    about = {"kind": "long_text", "text": "Who are you?"}
    questions = {"better": judged.PREFERENCE, "about": about}
    return judged.study(questions, about_item=["better"], steps=[survey, *judged.DOCUMENT["steps"]])


@pytest.fixture
def filled(study: Study) -> dict[str, Any]:
    """A judged item with a correction, an item that nobody judged, an open place, a flag."""
    annotator = judged.judge(study, pool="crowd")
    for text in ("A baker.", "A baker and a singer."):
        ProfileEntry.objects.create(
            participation=annotator,
            version=annotator.version,
            step="survey",
            question="about",
            value=text,
            answered_at=annotator.started_at,
        )
    item = judged.item(study, ["Water.", "Wet."], tags={"topic": "rain"})
    first, second = judged.ids(item)
    wrong = judged.vote(annotator, item, judged.about(better=first), order=(1, 0))
    judged.judged(
        wrong.assignment,
        judged.about(better=second),
        replaces=wrong,
        submitted_at=wrong.submitted_at + timedelta(minutes=1),
    )
    unjudged = judged.item(study, ["a", "b"])
    Assignment.objects.create(
        study=study,
        version=annotator.version,
        step="judging",
        item=unjudged,
        protocol="compare",
        created_at=judged.START,
    )
    Flag.objects.create(
        participation=annotator,
        check_name="speed",
        check_version="1",
        subject=str(wrong.pk),
        value=3.5,
        raised_at=judged.START,
    )
    return {"annotator": annotator, "item": item, "first": first, "second": second}


def test_every_row_of_the_database_is_a_row_of_a_table(study: Study, filled: dict[str, Any], export: Export) -> None:
    folder = out(export, "linked_tables")

    rows = {table.name: len(records(folder, table.name)) for table in TABLES}
    assert rows == {
        "participations": Participation.objects.count(),
        "profile": ProfileEntry.objects.count(),
        "items": 2,
        "candidates": Candidate.objects.count(),
        "generations": 0,
        "draws": 0,
        "assignments": Assignment.objects.count(),
        "presentations": 1,
        "judgements": Judgement.objects.count(),
        "comparisons": 1,
        "conversations": 0,
        "turns": 0,
        "flags": 1,
    }
    assert counts(folder) == {}


def test_ids_are_names_inside_of_answers_too(study: Study, filled: dict[str, Any], export: Export) -> None:
    folder = out(export, "linked_tables")

    names = Names(study)
    name = {key: names.of("candidate", filled[key]) for key in ("first", "second")}
    old, new = sorted(records(folder, "judgements"), key=lambda row: row["superseded_by"] is None)
    assert json.loads(old["answers"])["better"][""]["value"] == name["first"]
    assert json.loads(new["answers"])["better"][""]["value"] == name["second"]
    assert (old["superseded_by"], new["superseded_by"]) == (new["judgement_id"], None)
    assert records(folder, "presentations")[0]["order"] == [name["second"], name["first"]]
    assert records(folder, "flags")[0]["subject"] == old["judgement_id"]
    assert records(folder, "comparisons") == [
        {
            "judgement_id": new["judgement_id"],
            "item_id": names.of("item", filled["item"].pk),
            "question": "better",
            "first_id": name["first"],
            "second_id": name["second"],
            "outcome": "second",
            "source": "preference",
            "label_rule": "preference",
            "strength": None,
            "weight": 1,
            "first_position": 1,
            "second_position": 0,
        }
    ]
    written = "".join(path.read_text(encoding="utf-8") for path in folder.glob("*.jsonl"))
    assert UUID.findall(written) == []


@pytest.mark.parametrize("layout", ["linked_tables", "raw_votes"])
def test_a_match_names_its_item_by_pseudonym_and_keeps_the_own_tags(layout: str, export: Export) -> None:
    made = comparisons.comparing(0, step={"select": "elimination", "overlap": 1, "protocol": "better"}, **PREFERRING)
    own = {"tournament": "Wimbledon", "goes_on": "no"}
    (base,) = comparisons.add_items(made, 1, candidates=3, tags=own)
    comparisons.open_all(made)
    match = comparisons.leased(comparisons.person(made))
    first = str(match.item.candidates.first().pk)
    judged.judged(match, judged.about(better=first), submitted_at=match.created_at)
    folder = export(layout, made.slug, at=timezone.now() + timedelta(hours=1), layout=layout)
    written = "".join(path.read_text(encoding="utf-8") for path in folder.glob("*.jsonl"))
    assert (UUID.findall(written), f"elimination/{Names(made).of('item', base.pk)}/1/0" in written) == ([], True)
    rows = records(folder, "items" if layout == "linked_tables" else layout)
    (row,) = [one for one in rows if one["external_id"] != "item-0"]
    assert json.loads(row["tags"]) == own
    going_on = Names(made).of("candidate", match.item.made_from["goes_on"])
    place = {"item": Names(made).of("item", base.pk), "round": 1, "match": 0, "goes_on": going_on}
    assert json.loads(row["made_from"]) == place


def test_a_corrected_profile_answer_stays_and_is_marked(study: Study, filled: dict[str, Any], export: Export) -> None:
    folder = out(export, "linked_tables")

    assert [(json.loads(row["value"]), row["corrected"]) for row in records(folder, "profile")] == [
        ("A baker.", True),
        ("A baker and a singer.", False),
    ]


def test_people_are_left_out_of_every_table_at_once(study: Study, filled: dict[str, Any], export: Export) -> None:
    Participation.objects.filter(pk=filled["annotator"].pk).update(state="screened_out")

    folder = out(export, "linked_tables")

    rows = {table.name: len(records(folder, table.name)) for table in TABLES}
    assert {name: count for name, count in rows.items() if count} == {"items": 2, "candidates": 4, "assignments": 1}
    assert counts(folder) == {"judgements of people who are not in the release": 2}


def test_a_talk_goes_out_with_its_attempts_draws_and_turns(db: None, export: Export) -> None:
    talks.served()
    talker = talks.talker(studies.study(talks.document(step={"after": [], "types": {"free": {"text": "Anything"}}})))
    talk = talks.conversation(talker)
    talks.judged(talks.answered(talk, "Hello there"), [10, 90, 40])
    talks.judged(talks.answered(talk, "And then?"), [70, 20])
    finish_conversation(conversation_id=talk.pk, participation=talker, now=timezone.now())

    folder = out_of_talk(export)

    turns = records(folder, "turns")
    assert [(row["number"], row["user_text"], row["state"]) for row in turns] == [
        (0, "Hello there", "judged"),
        (1, "And then?", "judged"),
    ]
    assert turns[1]["parent_turn_id"] == turns[0]["turn_id"]
    assert len(records(folder, "generations")) == Generation.objects.count() == 5
    assert [row["probability"] for row in records(folder, "draws")] == [0.6, 0.6, 0.6, 1, 1]
    assert len(records(folder, "candidates")) == 5
    assert {row["annotator"] for row in records(folder, "judgements")} == {
        row["annotator"] for row in records(folder, "participations")
    }


def out_of_talk(export: Export) -> Path:
    return export("linked", "talk", at=timezone.now() + timedelta(hours=1), layout="linked_tables")


def test_a_published_study_goes_out_whole(db: None, export: Export) -> None:
    study = prism_rows.prism_study()
    prism_rows.person(study, talks=("unguided", "values guided"))
    prism_rows.person(study, talks=("unguided",), rehearsal=True)

    folder = export("linked", layout="linked_tables")

    turns = records(folder, "turns")
    blocks = 3 * 2
    assert len(records(folder, "judgements")) == len(turns) + blocks
    assert len(records(folder, "conversations")) == 2
    assert len(records(folder, "profile")) == len(prism_rows.ANSWERS) + 6
