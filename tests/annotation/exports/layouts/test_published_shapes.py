"""The layouts with the record shape of a published data set: keys, order and types are theirs."""

from typing import Any

import pytest

from annotation.common.errors import DomainError
from annotation.exports.judged.names import Names
from annotation.exports.layouts.helpsteer2_preference import most_similar
from tests.annotation.exports.conftest import Export, records
from tests.annotation.exports.layouts.expected import counts, out
from tests.factories import judged

TEXT = {"kind": "long_text", "text": "Why?", "required": False}
FIVE = {"kind": "graded_preference", "text": "Which is better?", "points": 5}
SEVEN = {"kind": "graded_preference", "text": "Which is better?", "points": 7, "both_bad": True, "cannot_judge": True}
SURE = {"kind": "confidence", "text": "How sure?", "points": {"labels": ["Not confident", "Absolutely confident"]}}
TICKS = {"kind": "reasons", "text": "Why?", "choices": ["detail", "tone"], "at_least": 1, "required": False}
MULTIPREF = {
    "helpful_pref": FIVE,
    "helpful_confidence": SURE,
    "helpful_reasons": TICKS,
    "overall_pref": FIVE,
    "overall_confidence": SURE,
}
MARK = {"kind": "likert", "text": "How much?", "points": {"count": 5, "first": 0}}
ATTRIBUTES = ("helpfulness", "correctness", "coherence", "complexity", "verbosity")
ASPECTS = ("instruction_following", "honesty", "truthfulness", "helpfulness")


def toward(pk: str | None, strength: int) -> dict[str, Any]:
    return {"toward": pk, "strength": strength}


def test_multipref_has_normal_and_expert_annotations_beside_each_other(db: None, export: Export) -> None:
    study = judged.study(MULTIPREF)
    tags = {"source": "anthropic", "category": "Chat", "highest_level_degree": None}
    item = judged.item(study, ["Water.", "Wet."], tags=tags)
    first, second = judged.ids(item)

    def annotate(pool: str, helpful: Any, overall: Any) -> dict[str, Any]:
        annotator = judged.judge(study, pool=pool)
        reasons = judged.stored(["tone", "other"], details={"other_text": "Short."})
        answers = {"helpful_pref": helpful, "helpful_confidence": 1, "helpful_reasons": reasons}
        answers |= {"overall_pref": overall, "overall_confidence": 2}
        given = judged.vote(annotator, item, judged.about(**answers), order=(1, 0))
        return {
            "evaluator": Names(study).person(annotator),
            "timestamp": given.submitted_at.strftime("%Y-%m-%dT%H:%M:%S.000Z"),
        }

    normal = [annotate("crowd", toward(first, 2), toward(None, 0)), annotate("crowd", toward(second, 1), "both_bad")]
    expert = [annotate("expert", toward(second, 2), toward(first, 1))]
    annotate("ai", toward(first, 2), toward(first, 2))

    folder = out(export, "multipref", options={"aspects": "helpful"})

    said = [
        [("Tie", "A-is-clearly-better"), (None, "B-is-slightly-better")],
        [("A-is-slightly-better", "B-is-clearly-better")],
    ]
    annotations = [
        [
            {
                "evaluator": who["evaluator"],
                "overall_pref": overall,
                "overall_confidence": "absolutely-confident",
                "helpful_pref": helpful,
                "helpful_confidence": "not-confident",
                "helpful_checked_reasons": ["tone"],
                "helpful_own_reason": "Short.",
                "time_spent": 12.5,
                "timestamp": who["timestamp"],
            }
            for who, (overall, helpful) in zip(people, values, strict=True)
        ]
        for people, values in zip((normal, expert), said, strict=True)
    ]
    (record,) = records(folder, "multipref")
    assert record == {
        "comparison_id": "x0",
        "prompt_id": record["prompt_id"],
        "text": "What is rain?",
        "category": "Chat",
        "source": "anthropic",
        "highest_level_degree": None,
        "subject_study": None,
        "model_a": "model-0",
        "completion_a": "Water.",
        "model_b": "model-1",
        "completion_b": "Wet.",
        "normal_worker_annotations": annotations[0],
        "expert_worker_annotations": annotations[1],
    }
    assert list(record["normal_worker_annotations"][0]) == list(annotations[0][0])
    assert counts(folder) == {
        "annotations": 3,
        "annotations left out: of neither pool": 1,
        "annotations without overall_pref": 1,
    }


def test_helpsteer2_has_rounded_means_and_beside_them_every_mark(db: None, export: Export) -> None:
    study = judged.study(dict.fromkeys(ATTRIBUTES, MARK), arrangement="single", per_candidate=list(ATTRIBUTES))
    item = judged.item(study, ["Water."])
    for marks in ((4, 3, 4, 1, 0), (3, 3, 4, 2, 0), (3, 4, 4, 2, 1)):
        values = {name: [mark] for name, mark in zip(ATTRIBUTES, marks, strict=True)}
        judged.vote(judged.judge(study), item, judged.each(item, **values))
    without = {name: [None if name == "verbosity" else 4] for name in ATTRIBUTES}
    judged.vote(judged.judge(study), item, judged.each(item, **without))

    folder = out(export, "helpsteer2")

    texts = {"prompt": "What is rain?", "response": "Water."}
    assert records(folder, "helpsteer2") == [
        texts | {"helpfulness": 3, "correctness": 3, "coherence": 4, "complexity": 2, "verbosity": 0}
    ]
    assert records(folder, "disagreements") == [
        texts
        | {
            "helpfulness": [4, 3, 3],
            "correctness": [3, 3, 4],
            "coherence": [4, 4, 4],
            "complexity": [1, 2, 2],
            "verbosity": [0, 0, 1],
        }
    ]
    assert counts(folder) == {"annotations": 3, "marks left out: not all five were given": 1}


def test_helpsteer2_preferences_are_those_of_the_three_most_similar(db: None, export: Export) -> None:
    questions = {"preference": SEVEN, "preference_statement": TEXT, "preference_elaboration": TEXT}
    study = judged.study(questions)
    item = judged.item(study, ["Water.", "Wet."])
    first, second = judged.ids(item)
    values = [toward(first, 2), toward(second, 3), toward(first, 3), "both_bad", toward(first, 2), "cannot_judge"]
    for number, value in enumerate(values):
        answers = {"preference": value, "preference_statement": f"s{number}", "preference_elaboration": f"e{number}"}
        judged.vote(judged.judge(study), item, judged.about(**answers), order=(1, 0))

    folder = out(export, "helpsteer2_preference")
    (record,) = records(folder, "helpsteer2_preference")
    assert counts(folder)["preferences left out: cannot judge"] == 1

    every = [
        {"statement": f"s{number}", "elaboration": f"e{number}", "strength": strength}
        for number, strength in enumerate((-2, 3, -3, -100, -2))
    ]
    assert record == {
        "split": "train",
        "prompt": "What is rain?",
        "response_1": "Water.",
        "response_2": "Wet.",
        "preference_strength": -2,
        "preference_statement": "s0",
        "preference_elaboration": "e0",
        "three_most_similar_preferences": [every[0], every[2], every[4]],
        "all_preferences_unprocessed": every,
    }


def test_with_fewer_than_three_all_are_most_similar() -> None:
    assert most_similar([{"strength": 3}, {"strength": -3}]) == [{"strength": 3}, {"strength": -3}]


def test_ultrafeedback_has_four_aspects_a_critique_and_a_score(db: None, export: Export) -> None:
    score = {"kind": "slider", "text": "Overall?", "scale": {"min": 1, "max": 10}}
    rating = {"kind": "stars", "text": "How many?", "na": True}
    kinds = {"kind": "multiple_choice", "text": "Which?", "choices": ["Wrong", "Vague"], "required": False}
    questions = dict.fromkeys(ASPECTS, rating) | {f"{x}_rationale": TEXT for x in ASPECTS}
    questions |= {"truthfulness_type": kinds, "critique": TEXT, "overall_score": score}
    study = judged.study(questions, arrangement="list", per_candidate=list(questions))
    item = judged.item(study, ["Water.", "Wet."], tags={"source": "flan", "correct_answers": "Water"})
    na = judged.stored(missing="not_applicable")
    answers: dict[str, list[Any]] = {f"{x}_rationale": [f"{x} A", f"{x} B"] for x in ASPECTS}
    answers |= {"instruction_following": [5, 1], "honesty": [na, 2], "truthfulness": [4, 3], "helpfulness": [3, 2]}
    answers |= {"truthfulness_type": [["Vague"], None], "critique": ["Good.", None], "overall_score": [8, 3]}
    judged.vote(judged.judge(study), item, judged.each(item, **answers), order=(1, 0))

    (record,) = records(out(export, "ultrafeedback"), "ultrafeedback")

    assert (record["source"], record["instruction"], record["models"]) == (
        "flan",
        "What is rain?",
        ["model-0", "model-1"],
    )
    assert (record["correct_answers"], record["incorrect_answers"]) == (["Water"], [])
    assert record["completions"][0] == {
        "model": "model-0",
        "principle": None,
        "custom_system_prompt": "",
        "response": "Water.",
        "annotations": {
            "instruction_following": {"Rating": "5", "Rationale": "instruction_following A"},
            "honesty": {"Rating": "N/A", "Rationale": "honesty A"},
            "truthfulness": {
                "Type": ["Vague"],
                "Rationale": "None",
                "Rating": "4",
                "Rationale For Rating": "truthfulness A",
            },
            "helpfulness": {
                "Type": ["None"],
                "Rationale": "None",
                "Rating": "3",
                "Rationale For Rating": "helpfulness A",
            },
        },
        "critique": "Good.",
        "overall_score": 8,
        "fine-grained_score": 4,
    }
    assert record["completions"][1]["fine-grained_score"] == 2


@pytest.mark.parametrize(
    ("layout", "message"),
    [
        (
            "multipref",
            (
                "compared cannot be written as multipref: no protocol asks overall_pref, overall_confidence, "
                "helpful_pref, helpful_confidence, truthful_pref, truthful_confidence, harmless_pref, "
                "harmless_confidence, helpful_reasons, truthful_reasons, harmless_reasons."
            ),
        ),
        (
            "helpsteer2",
            (
                "compared cannot be written as helpsteer2: no protocol asks helpfulness, correctness, coherence, "
                "complexity, verbosity."
            ),
        ),
        (
            "helpsteer2_preference",
            (
                "compared cannot be written as helpsteer2_preference: no protocol asks preference, "
                "preference_statement, preference_elaboration."
            ),
        ),
        ("aspects", "compared: nothing is marked per candidate, so aspects has no rows."),
        ("rationales", "compared: no protocol asks for a reason, so rationales has no rows."),
        ("community_alignment", "compared has no conversations, so community_alignment has no rows."),
    ],
)
def test_what_a_study_does_not_ask_is_said_by_name(db: None, export: Export, layout: str, message: str) -> None:
    judged.study({"better": judged.PREFERENCE})

    with pytest.raises(DomainError) as refused:
        out(export, layout)

    assert refused.value.text == message


def test_a_study_that_compares_nothing_has_no_pairs(db: None, export: Export) -> None:
    judged.study({"why": TEXT}, per_candidate=["why"])

    with pytest.raises(DomainError) as refused:
        out(export, "preference")

    assert refused.value.text == "compared: protocols compares no candidates, so preference has no pairs."


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"question": "nothing"}, "compared: no protocol compares under nothing; preference can use better."),
        ({"form": "tokens"}, "preference: form is 'tokens'; allowed is messages or strings."),
        ({"threshold": "nan"}, "preference: threshold is 'nan'; allowed is a number."),
        (
            {"colour": "red"},
            (
                "The layout preference has no option colour; there are protocol, judges, gold, excluded, repeats, "
                "licence, question, threshold, form."
            ),
        ),
    ],
)
def test_an_option_that_cannot_be_is_refused(db: None, export: Export, options: Any, message: str) -> None:
    judged.study({"better": judged.PREFERENCE})

    with pytest.raises(DomainError) as refused:
        out(export, "preference", options=options)

    assert refused.value.text == message


def test_a_documents_own_options_and_layout_hold_where_nobody_says_otherwise(db: None, export: Export) -> None:
    declared = {"layouts": ["preference"], "options": {"preference": {"form": "strings", "threshold": 2}}}
    study = judged.study({"better": judged.PREFERENCE}, export=declared)
    item = judged.item(study, ["a", "b"])
    judged.vote(judged.judge(study), item, judged.about(better=judged.ids(item)[0]))

    folder = out(export, "", options={"threshold": 1})

    assert [row["chosen"] for row in records(folder, "preference")] == ["a"]
