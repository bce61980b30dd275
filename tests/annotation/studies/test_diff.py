"""What changed between two versions, and what that does to the data."""

import copy
from typing import Any

import pytest

from annotation.studies.diff import breaking, changes
from annotation.studies.loading import checked
from tests.annotation.studies.documents import document

SCALES = "answers before and after are on different scales"
LISTS = "answers before and after are from different lists"


def compared(**after: Any) -> list[str]:
    found = changes(checked(document()).canonical(), checked(document(**after)).canonical())
    return [str(change) for change in found]


def with_question(name: str, **keys: Any) -> dict[str, Any]:
    questions = copy.deepcopy(document()["questions"])
    questions[name] = questions.get(name, {"kind": "short_text", "text": "x"}) | keys
    return questions


def test_same_document_has_no_changes() -> None:
    assert compared() == []


@pytest.mark.parametrize(
    ("after", "lines"),
    [
        ({"title": "New"}, ["title: “A small study” → “New”"]),
        ({"minutes": 5}, ["minutes: None → 5.0"]),
        (
            {"questions": with_question("use", text="Do you?")},
            ["questions.use.text: “Do you use it?” → “Do you?”"],
        ),
        (
            {"questions": with_question("use", choices={"Yes": "Yes, I do", "No": "No"})},
            ["questions.use.choices.Yes: “Yes” → “Yes, I do”"],
        ),
        (
            {"questions": with_question("use", choices=["No", "Yes"])},
            ["questions.use.choices: the order is now No, Yes"],
        ),
        (
            {"questions": with_question("use", choices=["Yes", "No", "Unsure"])},
            [f"questions.use.choices.Unsure: added: “Unsure”  [breaks the data: {LISTS}]"],
        ),
        (
            {"questions": with_question("score", scale={"min": 0, "max": 100})},
            [f"questions.score.scale.min: 1 → 0  [breaks the data: {SCALES}]"],
        ),
        (
            {"questions": with_question("ideas", required=False)},
            ["questions.ideas.required: True → False"],
        ),
    ],
)
def test_change_is_one_readable_line_that_says_whether_it_breaks_the_data(
    after: dict[str, Any], lines: list[str]
) -> None:
    assert compared(**after) == lines


def _breaking(**after: Any) -> list[tuple[str, str]]:
    found = changes(checked(document()).canonical(), checked(document(**after)).canonical())
    return [(change.path, change.breaks) for change in breaking(found)]


def test_renamed_question_breaks_the_data() -> None:
    questions = document()["questions"]
    questions["thoughts"] = questions.pop("ideas")
    steps = copy.deepcopy(document()["steps"])
    steps[2]["after"][0]["questions"] = ["thoughts"]
    assert _breaking(questions=questions, steps=steps) == [
        ("questions.ideas", "the question is removed or renamed"),
    ]


def test_question_of_another_kind_breaks_the_data() -> None:
    assert _breaking(questions=with_question("ideas", kind="short_text")) == [
        ("questions.ideas.kind", "the question becomes another kind"),
    ]


def test_question_that_is_kept_and_not_asked_any_more_breaks_the_data() -> None:
    steps = copy.deepcopy(document()["steps"])
    steps[1]["pages"] = [["use"]]
    assert _breaking(steps=steps) == [("questions.often", "its answers end here")]


def test_removed_step_breaks_the_data_and_an_added_one_does_not() -> None:
    less = [step for step in document()["steps"] if "consent" not in step]
    more = [*document()["steps"][:3], {"questionnaire": "last", "pages": [["late"]]}, document()["steps"][3]]
    assert _breaking(steps=less) == [("steps.c-1", "what was answered in this step ends here")]
    assert _breaking(steps=more, questions=with_question("late")) == []


def test_question_that_nobody_was_asked_can_go() -> None:
    before = checked(document(questions=with_question("spare"))).canonical()
    assert breaking(changes(before, checked(document()).canonical())) == []
