"""What one person said twice about the same two answers: under two protocols, two contexts, or as a repeat."""

from typing import Any

import pytest

from annotation.exports.judged.names import Names
from annotation.judgements.models import Judgement
from annotation.studies.models import Study
from tests.annotation.exports.conftest import Export, records
from tests.annotation.exports.layouts.expected import counts, out
from tests.factories import judged

PROTOCOLS = {
    "compare": {"arrangement": "pair", "about_item": ["better"]},
    "rate": {"arrangement": "pair", "per_candidate": ["score"]},
}


@pytest.fixture
def study(db: None) -> Study:
    return judged.study({"better": judged.PREFERENCE, "score": judged.SCORE}, protocols=PROTOCOLS)


def short(rows: list[dict[str, Any]]) -> list[tuple[Any, ...]]:
    return [
        (row["under"], row["first_label"], row["second_label"], row["differs"], row["turned_round"]) for row in rows
    ]


def test_a_rating_and_a_choice_of_one_person_stand_side_by_side(study: Study, export: Export) -> None:
    item = judged.item(study, ["Apples.", "Pears."])
    apples, pears = judged.ids(item)
    person, other = judged.judge(study), judged.judge(study)
    chosen = judged.vote(person, item, judged.about(better=apples))
    rated = judged.vote(person, item, judged.each(item, score=[2, 7]), protocol="rate")
    judged.vote(other, item, judged.about(better=pears))

    folder = out(export, "agreement")
    (row,) = records(folder, "agreement")

    names = Names(study)
    assert short([row]) == [("protocol", "a", "b", True, True)]
    assert (row["first_comparison_id"], row["second_comparison_id"]) == (
        names.of("judgement", chosen.pk),
        names.of("judgement", rated.pk),
    )
    assert (row["annotator"], row["first_question"], row["second_question"]) == (
        names.person(person),
        "better",
        "score",
    )
    assert (row["first_a_id"], row["first_b_id"]) == (names.of("candidate", apples), names.of("candidate", pears))
    assert counts(folder) == {
        "protocol: compared": 1,
        "protocol: the labels differ": 1,
        "protocol: the preference turned round": 1,
    }


def test_the_same_answers_under_two_criteria_are_found_in_two_items(study: Study, export: Export) -> None:
    person = judged.judge(study)
    for criterion, texts, better in (("short", ["Yes.", "Yes, it is."], 0), ("polite", ["Yes, it is.", "Yes."], 0)):
        item = judged.item(study, texts, context={"criterion": criterion})
        judged.vote(person, item, judged.about(better=judged.ids(item)[better]))
    equal = judged.item(study, ["Yes.", "Yes."])
    judged.vote(person, equal, judged.about(better="tie"))
    unsure = judged.item(study, ["Yes.", "Yes, it is."], context={"criterion": "true"})
    judged.vote(person, unsure, judged.about(better="cannot_judge"))

    folder = out(export, "agreement")
    (row,) = records(folder, "agreement")

    assert (row["under"], row["differs"], row["turned_round"]) == ("context", True, True)
    assert {row["first_label"], row["second_label"]} == {"a", "b"}
    assert (row["first_context"], row["second_context"]) == ("short", "polite")
    assert row["first_item_id"] != row["second_item_id"]
    assert counts(folder)["pairs left out: cannot_judge"] == 1
    assert counts(folder)["pairs left out: the two are equal"] == 1


def test_a_planned_repeat_tells_how_steady_somebody_is(study: Study, export: Export) -> None:
    item = judged.item(study, ["Apples.", "Pears."])
    person = judged.judge(study)
    for better in ("tie", judged.ids(item)[1]):
        judged.vote(person, item, judged.about(better=better), place={"repeat": Judgement.objects.count()})

    assert short(records(out(export, "agreement"), "agreement")) == [("repeat", "tie", "b", True, False)]


def test_one_judgement_of_a_list_with_the_same_answer_twice_is_no_repeat(db: None, export: Export) -> None:
    study = judged.study({"order": {"kind": "ranking", "text": "Order them.", "ties": True}}, arrangement="list")
    item = judged.item(study, ["Apples.", "Pears.", "Apples."])
    ranks = dict(zip(judged.ids(item), (1, 2, 1), strict=True))
    judged.vote(judged.judge(study), item, judged.about(order={"ranks": ranks, "not_rankable": []}))

    folder = out(export, "agreement")

    assert (records(folder, "agreement"), counts(folder)) == ([], {"pairs left out: the two are equal": 1})
