"""Prepared items in the shapes that trainers read: `preference`, `unpaired_preference`, `listwise`, `soft_preference`,
`raw_votes`. One record of each is compared as a whole."""

from typing import Any, get_args

import pytest

from annotation.exports.deriving.statements import COMPARING, GRID, SCORING
from annotation.exports.judged.names import Names
from annotation.participation.models import Participation, Withdrawal
from annotation.studies.models import Study
from annotation.studies.questions import AnyQuestion
from tests.annotation.exports.conftest import Export, records
from tests.annotation.exports.layouts.expected import assistant, counts, out, side, user, vote_columns
from tests.factories import judged

RANKING = {"kind": "ranking", "text": "Order them.", "not_rankable": True}


@pytest.fixture
def study(db: None) -> Study:
    return judged.study({"better": judged.PREFERENCE})


@pytest.fixture
def annotator(study: Study) -> Participation:
    return judged.judge(study, pool="crowd")


def test_a_preference_is_a_pair_with_everything_about_its_judgement(
    study: Study, annotator: Participation, export: Export
) -> None:
    item = judged.item(study, ["Water.", "Wet."])
    first, second = judged.ids(item)
    given = judged.vote(annotator, item, judged.about(better=second), order=(1, 0))

    folder = out(export, "preference")

    expected = {
        "prompt": user("What is rain?"),
        "chosen": assistant("Wet."),
        "rejected": assistant("Water."),
        "score_chosen": None,
        "score_rejected": None,
        "margin": 0,
        **side(study, "chosen", second, "model-1", 0),
        **side(study, "rejected", first, "model-0", 1),
        "prompt_media": [],
        **vote_columns(study, given),
    }
    assert records(folder, "preference") == [expected]
    assert list(records(folder, "preference")[0]) == list(expected)
    assert counts(folder) == {"pairs with a winner": 1}


def test_as_strings_a_single_question_stands_for_itself(study: Study, annotator: Participation, export: Export) -> None:
    item = judged.item(study, ["Water.", "Wet."])
    judged.vote(annotator, item, judged.about(better=judged.ids(item)[0]))

    row = records(out(export, "preference", options={"form": "strings"}), "preference")[0]

    assert (row["prompt"], row["chosen"], row["rejected"]) == ("What is rain?", "Water.", "Wet.")


def test_what_is_no_preference_is_counted_and_never_halved(
    study: Study, annotator: Participation, export: Export
) -> None:
    for value in ("tie", "both_bad", "cannot_judge", "tie"):
        judged.vote(annotator, judged.item(study, ["a", "b"]), judged.about(better=value))
    unanswered = judged.stored(missing="unanswered")
    judged.vote(annotator, judged.item(study, ["a", "b"]), judged.about(better=unanswered))
    same = judged.item(study, ["a", "a"])
    judged.vote(annotator, same, judged.about(better=judged.ids(same)[0]))

    folder = out(export, "preference")

    assert records(folder, "preference") == []
    assert counts(folder) == {
        "pairs left out: tie": 2,
        "pairs left out: both_bad": 1,
        "pairs left out: cannot_judge": 1,
        "judgements left out: unanswered": 1,
        "pairs left out: the two are equal": 1,
    }


def test_only_the_last_of_a_corrected_judgement_counts(study: Study, annotator: Participation, export: Export) -> None:
    item = judged.item(study, ["a", "b"])
    first, second = judged.ids(item)
    wrong = judged.vote(annotator, item, judged.about(better=first))
    right = judged.judged(
        wrong.assignment, judged.about(better=second), replaces=wrong, submitted_at=wrong.submitted_at
    )

    folder = out(export, "preference")

    row = records(folder, "preference")[0]
    assert (row["chosen_id"], row["comparison_id"]) == (
        Names(study).of("candidate", second),
        Names(study).of("judgement", right.pk),
    )
    assert counts(folder) == {"pairs with a winner": 1, "judgements that were corrected": 1}


def test_people_who_withdrew_bots_and_later_rows_stay_out(study: Study, export: Export) -> None:
    item = judged.item(study, ["a", "b"])
    better = judged.about(better=judged.ids(item)[0])
    gone = judged.judge(study)
    judged.vote(gone, item, better)
    Participation.objects.filter(pk=gone.pk).update(state="withdrawn")
    Withdrawal.objects.create(participation=gone, at=judged.CUT_OFF)
    judged.vote(judged.judge(study, kind="bot", rehearsal=True), item, better)
    judged.vote(judged.judge(study), item, better, submitted_at=judged.CUT_OFF.replace(year=2027))
    kept = judged.judge(study)
    judged.vote(kept, item, better)

    folder = out(export, "preference")

    assert [row["annotator"] for row in records(folder, "preference")] == [Names(study).person(kept)]
    assert counts(folder)["judgements of people who are not in the release"] == 1
    rehearsed = export("bots", "compared", at=judged.CUT_OFF, layout="preference", rehearsal=True)
    assert [row["annotator_kind"] for row in records(rehearsed, "preference")] == ["bot"]


def test_rows_outside_a_consent_stay_out(export: Export, db: None) -> None:
    consent = {"version": "c1", "text": "?", "statements": [{"name": "reuse", "text": "R", "required": False}]}
    steps = [{"consent": "c1"}, *judged.DOCUMENT["steps"]]
    study = judged.study({"better": judged.PREFERENCE}, consent=[consent], steps=steps)
    item = judged.item(study, ["a", "b"])
    judged.vote(judged.judge(study, consents=False), item, judged.about(better=judged.ids(item)[0]))
    judged.vote(judged.judge(study), item, judged.about(better=judged.ids(item)[1]))

    folder = out(export, "preference")

    assert [row["chosen"] for row in records(folder, "preference")] == [assistant("b")]
    assert counts(folder) == {"pairs with a winner": 1, "judgements outside their consent": 1}


def test_checks_and_repeats_stay_out_unless_they_are_asked_for(
    study: Study, annotator: Participation, export: Export
) -> None:
    gold = judged.item(study, ["a", "b"], gold={"better": 0})
    judged.vote(annotator, gold, judged.about(better=judged.ids(gold)[0]), place={"reason": "gold"})
    item = judged.item(study, ["c", "d"])
    judged.vote(annotator, item, judged.about(better=judged.ids(item)[0]))
    judged.vote(annotator, item, judged.about(better=judged.ids(item)[1]), place={"reason": "repeat", "repeat": 1})

    folder = out(export, "preference")
    everything = export("all", "compared", at=judged.CUT_OFF, layout="raw_votes")

    assert [row["chosen"] for row in records(folder, "preference")] == [assistant("c")]
    assert counts(folder) == {
        "judgements left out: of gold items": 1,
        "judgements left out: of repeats": 1,
        "pairs with a winner": 1,
    }
    marks = [(row["label"], row["is_gold"], row["repeat"]) for row in records(everything, "raw_votes")]
    assert marks == [("a", True, 0), ("a", False, 0), ("b", False, 1)]


def test_only_what_may_be_sold_goes_out_where_that_is_asked_for(
    study: Study, annotator: Participation, export: Export
) -> None:
    for licence in ("CC-BY-4.0", "cc-by-nc-4.0", None):
        content = [{"content": {"text": text}, "provenance": {"licence": licence}} for text in ("a", "b")]
        item = judged.item(study, content)
        judged.vote(annotator, item, judged.about(better=judged.ids(item)[0]))

    folder = out(export, "preference", options={"licence": "commercial"})

    assert [row["chosen_licence"] for row in records(folder, "preference")] == ["CC-BY-4.0"]
    assert counts(folder)["items left out: a licence does not allow commercial training"] == 2


def test_a_list_goes_out_with_its_ranks_and_its_pairs(db: None, export: Export) -> None:
    score = judged.SCORE | {"required": False}
    study = judged.study(
        {"order": RANKING, "mark": score}, arrangement="list", per_candidate=["mark"], about_item=["order"]
    )
    annotator = judged.judge(study, pool="crowd")
    item = judged.item(study, ["a", "b", "c", "d"])
    a, b, c, d = judged.ids(item)
    ranking = {"ranks": {a: 2, b: 1, c: 2}, "not_rankable": [d]}
    given = judged.vote(
        annotator, item, judged.about(order=ranking) | judged.each(item, mark=[5, 9, 5, None]), order=(3, 1, 0, 2)
    )

    folder = out(export, "listwise")

    names = Names(study)
    assert records(folder, "listwise") == [
        {
            "prompt": user("What is rain?"),
            "responses": [assistant(text) for text in "abcd"],
            "ranks": [2, 1, 2, None],
            "scores": [None, None, None, None],
            "models": ["model-0", "model-1", "model-2", "model-3"],
            "candidate_ids": [names.of("candidate", pk) for pk in (a, b, c, d)],
            "positions": [2, 1, 3, 0],
            "licences": ["cc-by-4.0"] * 4,
            "media": [[], [], [], []],
            "all_bad": False,
            "prompt_media": [],
            **vote_columns(study, given, question="order", label_rule="ranking"),
        }
    ]
    pairs = [
        (row["chosen"][0]["content"], row["rejected"][0]["content"], row["margin"], row["score_chosen"])
        for row in records(folder, "pairs")
    ]
    assert pairs == [("b", "a", 1, 9), ("b", "c", 1, 9)]
    assert counts(folder) == {
        "pairs with a winner": 2,
        "pairs left out: tie": 1,
        "pairs left out: cannot_judge": 3,
    }


@pytest.mark.parametrize(
    ("votes", "expected"),
    [
        ("aab", {"majority": "a", "votes_a": 2, "votes_b": 1, "n": 3, "p_a": 0.6667, "flip_rate": 0.5}),
        ("bbbbbb", {"majority": "b", "votes_a": 0, "votes_b": 6, "n": 6, "p_a": 0, "flip_rate": 0}),
        ("aaaaaaaaab", {"majority": "a", "votes_a": 9, "votes_b": 1, "n": 10, "p_a": 0.9, "flip_rate": 0.1127}),
        ("ab", {"majority": "none", "votes_a": 1, "votes_b": 1, "n": 2, "p_a": 0.5, "flip_rate": 0.5}),
        ("a", {"majority": "a", "votes_a": 1, "votes_b": 0, "n": 1, "p_a": 1, "flip_rate": None}),
    ],
)
def test_soft_labels_count_every_vote_on_a_pair(
    study: Study, export: Export, votes: str, expected: dict[str, Any]
) -> None:
    item = judged.item(study, ["first", "second"])
    by_letter = dict(zip("ab", judged.ids(item), strict=True))
    for letter in votes:
        judged.vote(judged.judge(study), item, judged.about(better=by_letter[letter]))

    row = records(out(export, "soft_preference"), "soft_preference")[0]

    assert {key: row[key] for key in expected} == expected
    assert row["chosen"] == assistant("second" if expected["majority"] == "b" else "first")


def test_soft_labels_keep_ties_and_bad_pairs_apart(study: Study, export: Export) -> None:
    item = judged.item(study, ["first", "second"])
    for value in ("tie", "tie", "both_bad", "cannot_judge"):
        judged.vote(judged.judge(study), item, judged.about(better=value))

    row = records(out(export, "soft_preference"), "soft_preference")[0]

    assert {key: row[key] for key in ("ties", "both_bad", "cannot_judge", "n", "p_a", "flip_rate", "majority")} == {
        "ties": 2,
        "both_bad": 1,
        "cannot_judge": 1,
        "n": 4,
        "p_a": None,
        "flip_rate": None,
        "majority": "none",
    }


def test_raw_votes_say_what_stood_first_and_can_be_mirrored(
    study: Study, annotator: Participation, export: Export
) -> None:
    item = judged.item(study, ["Water.", "Wet."])
    first, second = judged.ids(item)
    given = judged.vote(annotator, item, judged.about(better=second), order=(1, 0))

    folder = out(export, "raw_votes", options={"orders": "both"})

    expected = {
        "prompt_a": user("What is rain?"),
        "response_a": assistant("Wet."),
        "prompt_b": user("What is rain?"),
        "response_b": assistant("Water."),
        "label": "a",
        "source": "preference",
        "strength": None,
        **side(study, "a", second, "model-1", 0),
        **side(study, "b", first, "model-0", 1),
        "seconds": 12.5,
        "mirrored": False,
        **vote_columns(study, given),
    }
    mirrored = expected | {
        "response_a": assistant("Water."),
        "response_b": assistant("Wet."),
        "label": "b",
        **side(study, "a", first, "model-0", 1),
        **side(study, "b", second, "model-1", 0),
        "mirrored": True,
    }
    assert records(folder, "raw_votes") == [expected, mirrored]


def test_single_answers_are_wanted_or_not(db: None, export: Export) -> None:
    study = judged.study(
        {"fine": {"kind": "yes_no", "text": "Is it acceptable?"}}, arrangement="single", per_candidate=["fine"]
    )
    annotator = judged.judge(study, pool="crowd")
    item = judged.item(study, ["Water."])
    given = judged.vote(annotator, item, judged.each(item, fine=[False]))

    folder = out(export, "unpaired_preference")

    assert records(folder, "unpaired_preference") == [
        {
            "prompt": user("What is rain?"),
            "completion": assistant("Water."),
            "label": False,
            **side(study, "candidate", judged.ids(item)[0], "model-0", 0),
            "prompt_media": [],
            **vote_columns(study, given, question="fine", label_rule="yes or no"),
        }
    ]


def test_a_score_is_wanted_from_a_number_that_is_stated(db: None, export: Export) -> None:
    study = judged.study({"mark": judged.SCORE}, per_candidate=["mark"])
    item = judged.item(study, ["a", "b"])
    judged.vote(judged.judge(study), item, judged.each(item, mark=[7, 6]))

    folder = out(export, "unpaired_preference", options={"question": "mark", "wanted_from": "7"})

    rows = records(folder, "unpaired_preference")
    assert [(row["completion"], row["label"], row["label_rule"]) for row in rows] == [
        (assistant("a"), True, "score of at least 7"),
        (assistant("b"), False, "score of at least 7"),
    ]


def test_without_a_question_about_one_answer_pairs_say_what_is_wanted(
    study: Study, annotator: Participation, export: Export
) -> None:
    item = judged.item(study, ["a", "b"])
    judged.vote(annotator, item, judged.about(better=judged.ids(item)[0]))
    judged.vote(annotator, judged.item(study, ["c", "d"]), judged.about(better="both_bad"))
    judged.vote(annotator, judged.item(study, ["e", "f"]), judged.about(better="tie"))

    folder = out(export, "unpaired_preference")

    rows = records(folder, "unpaired_preference")
    labels = {row["completion"][0]["content"]: row["label"] for row in rows}
    assert labels == {"a": True, "b": False, "c": False, "d": False}
    assert counts(folder)["answers left out: tie"] == 2


def test_points_that_were_shared_out_are_pairs_with_their_difference(db: None, export: Export) -> None:
    study = judged.study({"shares": {"kind": "points", "text": "Share ten points.", "total": 10}})
    item = judged.item(study, ["Water.", "Wet."])
    first, second = judged.ids(item)
    judged.vote(judged.judge(study), item, judged.about(shares={first: 3, second: 7}))

    (row,) = records(out(export, "preference"), "preference")

    assert (row["chosen"], row["rejected"], row["margin"]) == (assistant("Wet."), assistant("Water."), 4)
    assert (row["score_chosen"], row["score_rejected"]) == (7, 3)


def test_every_kind_that_is_said_to_compare_or_to_score_exists() -> None:
    kinds = {kind.model_fields["kind"].annotation.__args__[0] for kind in get_args(get_args(AnyQuestion)[0])}
    assert (COMPARING | SCORING | {GRID}) - kinds == set()
