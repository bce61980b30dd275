"""Each kind: what it accepts, what it refuses in which words, what it stores, and what it gives to an export."""

import random
from typing import Any

import pytest
from pydantic import TypeAdapter

from annotation.studies.questions import AnyQuestion
from annotation.studies.questions.base import AnswerError, Question

READ: TypeAdapter[Question] = TypeAdapter(AnyQuestion)


def question(kind: str, **keys: Any) -> Question:
    return READ.validate_python({"kind": kind, "text": "Why?"} | keys)


def posted(**fields: Any) -> dict[str, list[str]]:
    return {name.replace("__", "-"): value if isinstance(value, list) else [value] for name, value in fields.items()}


def value(asked: Question, **fields: Any) -> Any:
    return asked.answer("q", posted(**fields), None).value


def refusal(asked: Question, **fields: Any) -> dict[str, str]:
    with pytest.raises(AnswerError) as caught:
        asked.answer("q", posted(**fields), None)
    return {caught.value.field: caught.value.text} | caught.value.others


COLOURS = {"choices": ["Red", "Blue"]}
ROWS = {"rows": {"a": "Alpha", "b": "Beta"}}
NOT_ONE = "This is not one of the choices."

VALID: list[tuple[Question, dict[str, Any], Any]] = [
    (question("single_choice", **COLOURS), {"q": "Blue"}, "Blue"),
    (question("single_choice", other=True, **COLOURS), {"q": "other", "q__other__text": "Teal"}, "other"),
    (question("multiple_choice", **COLOURS), {"q": ["Blue", "Red"]}, ["Red", "Blue"]),
    (question("drop_down", source="countries"), {"q": "GBR"}, "GBR"),
    (question("drop_down", source="languages"), {"q": "deu"}, "deu"),
    (question("drop_down", **COLOURS), {"q": "Red"}, "Red"),
    (question("short_text"), {"q": "  hello "}, "hello"),
    (question("long_text"), {"q": "one\r\ntwo"}, "one\ntwo"),
    (question("number", min=0, max=120), {"q": "42"}, 42),
    (question("number", decimals=2), {"q": "-1,25"}, -1.25),
    (question("slider"), {"q": "70"}, 70),
    (question("slider", scale={"start": 50}), {"q": "50"}, 50),
    (question("sliders", **ROWS), {"q__a": "1", "q__b": "2"}, {"a": 1, "b": 2}),
    (question("sliders", na_rows=True, **ROWS), {"q__a": "1", "q__b": "9", "q__b__na": "on"}, {"a": 1, "b": None}),
    (question("sliders", other=True, **ROWS), {"q__a": "1", "q__b": "2"}, {"a": 1, "b": 2, "other": None}),
    (question("likert", points={"labels": ["No", "So", "Yes"]}), {"q": "3"}, 3),
    (question("likert", points={"count": 7, "first": -3}), {"q": "-3"}, -3),
    (question("likert_rows", points={"count": 5, "first": 0}, **ROWS), {"q__a": "0", "q__b": "4"}, {"a": 0, "b": 4}),
    (question("statement"), {"q": "on"}, True),
    (question("statement", required=False), {}, False),
    (question("constant_sum", **ROWS), {"q__a": "30", "q__b": "70"}, {"a": 30, "b": 70}),
    (question("constant_sum", **ROWS), {"q__a": "100"}, {"a": 100, "b": 0}),
]


@pytest.mark.parametrize(("asked", "fields", "expected"), VALID)
def test_answer_is_read(asked: Question, fields: dict[str, Any], expected: Any) -> None:
    assert value(asked, **fields) == expected


INVALID: list[tuple[Question, dict[str, Any], dict[str, str]]] = [
    (question("single_choice", **COLOURS), {"q": "Green"}, {"q": NOT_ONE}),
    (question("single_choice", **COLOURS), {"q": "other"}, {"q": NOT_ONE}),
    (question("single_choice", **COLOURS), {"q": ["Red", "Blue"]}, {"q": NOT_ONE}),
    (question("single_choice", other=True, **COLOURS), {"q": "other"}, {"q-other-text": "Please write what you mean."}),
    (
        question("single_choice", other=True, **COLOURS),
        {"q": "other", "q__other__text": "x" * 501},
        {"q-other-text": "Write at most 500 characters; there are 501."},
    ),
    (question("multiple_choice", **COLOURS), {"q": ["Red", "Green"]}, {"q": NOT_ONE}),
    (
        question("multiple_choice", choices={"a": "A", "none": "None of these"}, exclusive=["none"]),
        {"q": ["a", "none"]},
        {"q": "“None of these” cannot stand beside others."},
    ),
    (question("multiple_choice", at_most=1, **COLOURS), {"q": ["Red", "Blue"]}, {"q": "Choose at most 1."}),
    (question("drop_down", source="countries"), {"q": "XXX"}, {"q": NOT_ONE}),
    (question("short_text"), {"q": "x" * 201}, {"q": "Write at most 200 characters; there are 201."}),
    (question("short_text"), {"q": "one\ntwo"}, {"q": "Write one line only."}),
    (question("short_text"), {"q": "a\x00b"}, {"q": "The text holds a character that cannot be stored."}),
    (question("short_text"), {"q": "a\ud800b"}, {"q": "The text holds a character that cannot be stored."}),
    (question("long_text", min_chars=5), {"q": "four"}, {"q": "Write at least 5 characters; there are 4."}),
    (question("number"), {"q": "1e3"}, {"q": "Write a number in digits."}),
    (question("number"), {"q": "²"}, {"q": "Write a number in digits."}),
    (question("number"), {"q": "nan"}, {"q": "Write a number in digits."}),
    (question("number"), {"q": "1.5"}, {"q": "Write a whole number."}),
    (question("number", decimals=1), {"q": "1.25"}, {"q": "Write at most 1 places."}),
    (question("number", min=18), {"q": "17"}, {"q": "Write a number of at least 18."}),
    (question("number", max=120), {"q": "121"}, {"q": "Write a number of at most 120."}),
    (question("slider"), {"q": "101"}, {"q": "Choose a number from 0 to 100."}),
    (question("slider"), {"q": "²"}, {"q": "Choose a number from 0 to 100."}),
    (question("slider"), {"q": "9" * 5000}, {"q": "Choose a number from 0 to 100."}),
    (question("slider", scale={"step": 5}), {"q": "7"}, {"q": "Choose a number in steps of 5 from 0."}),
    (
        question("sliders", **ROWS),
        {"q__a": "1"},
        {"q": "Please answer every row.", "q-b": "Please answer this row."},
    ),
    (
        question("sliders", **ROWS),
        {"q__a": "1000", "q__b": "x"},
        {"q-a": "Choose a number from 0 to 100.", "q-b": "Choose a number from 0 to 100."},
    ),
    (
        question("sliders", other=True, **ROWS),
        {"q__a": "1", "q__b": "1", "q__other": "5"},
        {"q-other-text": "Please write what this row is about."},
    ),
    (
        question("sliders", other=True, **ROWS),
        {"q__a": "1", "q__b": "1", "q__other__text": "tact"},
        {"q-other": "Please answer this row, or empty its text."},
    ),
    (question("likert", points={"count": 5}), {"q": "6"}, {"q": NOT_ONE}),
    (question("likert", points={"count": 5}), {"q": "0"}, {"q": NOT_ONE}),
    (
        question("likert_rows", points={"count": 5}, **ROWS),
        {"q__a": "9", "q__b": "1"},
        {"q-a": NOT_ONE},
    ),
    (question("statement"), {}, {"q": "Please tick this to go on."}),
    (
        question("constant_sum", **ROWS),
        {"q__a": "30", "q__b": "71"},
        {"q": "The numbers have to add up to 100; they add up to 101."},
    ),
    (
        question("constant_sum", **ROWS),
        {"q__a": "-1", "q__b": "101"},
        {"q-a": "Write a whole number from 0 to 100.", "q-b": "Write a whole number from 0 to 100."},
    ),
]


@pytest.mark.parametrize(("asked", "fields", "expected"), INVALID)
def test_answer_is_refused_in_words_beside_its_field(
    asked: Question, fields: dict[str, Any], expected: dict[str, str]
) -> None:
    assert refusal(asked, **fields) == expected


@pytest.mark.parametrize(("asked", "fields", "_expected"), VALID)
def test_forged_field_under_the_prefix_is_refused(asked: Question, fields: dict[str, Any], _expected: Any) -> None:
    assert refusal(asked, **fields, q__forged="1") == {
        "q": "This form does not fit the question. Please reload the page."
    }


EMPTY = [
    question("single_choice", **COLOURS),
    question("multiple_choice", **COLOURS),
    question("drop_down", **COLOURS),
    question("short_text"),
    question("long_text"),
    question("number"),
    question("slider"),
    question("sliders", **ROWS),
    question("likert", points={"count": 5}),
    question("likert_rows", points={"count": 5}, **ROWS),
    question("constant_sum", **ROWS),
]


@pytest.mark.parametrize("asked", EMPTY, ids=lambda asked: asked.kind)
def test_empty_answer_is_refused_when_required(asked: Question) -> None:
    assert refusal(asked) == {"q": "Please answer this question."}


@pytest.mark.parametrize("asked", EMPTY, ids=lambda asked: asked.kind)
def test_four_reasons_for_no_value_stay_apart_in_what_is_stored_and_exported(asked: Question) -> None:
    optional = asked.model_copy(update={"required": False, "na": True, "prefer_not": True})
    given = {
        "unanswered": optional.answer("q", {}, None),
        "not_applicable": optional.answer("q", posted(q__na="on"), None),
        "prefer_not_to_say": optional.answer("q", posted(q__pnts="on"), None),
    }
    assert {kind: answer.missing for kind, answer in given.items()} == {kind: kind for kind in given}
    assert {kind: answer.value for kind, answer in given.items()} == dict.fromkeys(given)
    exported = {kind: optional.values("q", answer.stored())["q:missing"] for kind, answer in given.items()}
    assert exported == {kind: kind for kind in given}


def test_not_applicable_box_is_ignored_where_the_question_has_none() -> None:
    assert value(question("short_text"), q="x", q__na="on") == "x"


def test_not_applicable_wins_over_a_slider_that_was_posted_all_the_same() -> None:
    answer = question("slider", na=True, scale={"start": 50}).answer("q", posted(q="50", q__na="on"), None)
    assert (answer.value, answer.missing) == (None, "not_applicable")


def test_untouched_slider_without_start_is_no_answer_and_with_start_says_that_it_was_left() -> None:
    bare, started = question("slider", required=False), question("slider", scale={"start": 50})
    assert bare.answer("q", posted(q=""), None).missing == "unanswered"
    assert dict(started.answer("q", posted(q="50"), None).details) == {"touched": False}
    assert dict(started.answer("q", posted(q="50", q__touched="q"), None).details) == {"touched": True}
    assert dict(started.answer("q", posted(q="51"), None).details) == {"touched": True}


def test_slider_rows_store_what_was_touched_and_why_rows_are_empty() -> None:
    asked = question("sliders", other=True, na_rows=True, scale={"start": 50}, **ROWS)
    fields = posted(q__a="50", q__b="50", q__b__na="on", q__other="50", q__touched="q-a")
    answer = asked.answer("q", fields, None)
    assert answer.value == {"a": 50, "b": None, "other": None}
    assert dict(answer.details) == {
        "missing": {"b": "not_applicable", "other": "unanswered"},
        "other_text": None,
        "touched": ["a"],
    }


def test_shuffled_choices_keep_other_last_and_the_same_seed_gives_the_same_order() -> None:
    asked = question("multiple_choice", choices=list("abcdefghij"), other=True, shuffle="choices")
    orders = [asked.shuffled(random.Random(seed)) for seed in range(20)]
    assert {order[-1] for order in orders} == {"other"}
    assert [sorted(order[:-1]) for order in orders] == [list("abcdefghij")] * 20
    assert orders == [asked.shuffled(random.Random(seed)) for seed in range(20)]
    assert len(set(orders)) == 20


def test_exclusive_choices_stand_before_other_at_the_end_of_a_shuffled_list() -> None:
    asked = question("multiple_choice", choices=list("nabc"), exclusive=["n"], other=True, shuffle="choices")
    assert {asked.shuffled(random.Random(seed))[-2:] for seed in range(20)} == {("n", "other")}


def test_multiple_choice_exports_one_column_a_key_with_the_place_it_was_shown_at() -> None:
    asked = question("multiple_choice", choices={"a": "Alpha", "b-c": "Beta"}, other=True, shuffle="choices")
    answer = asked.answer("uses", {"uses": ["b-c", "other"], "uses-other-text": ["x"]}, ("b-c", "a", "other"))
    assert asked.values("uses", answer.stored()) == {
        "uses:a": 0,
        "uses:b-c": 1,
        "uses:other": 1,
        "uses:other_text": "x",
        "order_uses:a": 2,
        "order_uses:b-c": 1,
        "order_uses:other": 3,
        "uses:missing": None,
    }


def test_multiple_choice_exports_zeros_where_shown_and_unticked_and_null_where_not_shown() -> None:
    asked = question("multiple_choice", required=False, **COLOURS)
    shown = asked.values("q", asked.answer("q", {}, None).stored())
    hidden = asked.values("q", {"value": None, "missing": "not_shown", "shown_order": None, "details": {}})
    assert shown == {"q:Red": 0, "q:Blue": 0, "q:missing": "unanswered"}
    assert hidden == {"q:Red": None, "q:Blue": None, "q:missing": "not_shown"}


def test_slider_rows_export_number_touch_and_reason_a_row() -> None:
    asked = question("sliders", na_rows=True, scale={"start": 50}, shuffle="rows", **ROWS)
    answer = asked.answer("q", posted(q__a="60", q__b__na="on"), ("b", "a"))
    assert asked.values("q", answer.stored()) == {
        "q:a": 60,
        "q:a:touched": True,
        "q:a:missing": None,
        "q:b": None,
        "q:b:touched": None,
        "q:b:missing": "not_applicable",
        "order_q:a": 2,
        "order_q:b": 1,
        "q:missing": None,
    }


@pytest.mark.parametrize(("asked", "fields", "_expected"), VALID)
def test_columns_and_values_name_the_same_things(asked: Question, fields: dict[str, Any], _expected: Any) -> None:
    stored = asked.answer("q", posted(**fields), None).stored()
    assert [column.name for column in asked.columns("q")] == list(asked.values("q", stored))


def test_countries_are_named_in_the_language_of_the_page_and_sorted_by_it() -> None:
    asked = question("drop_down", source="countries")
    german = [choice["label"] for choice in asked.widget("q", {}, None, "de")["choices"]]
    english = [choice["label"] for choice in asked.widget("q", {}, None, "en")["choices"]]
    assert ("Deutschland" in german, "Germany" in english) == (True, True)
    assert english[:3] == ["Afghanistan", "Åland Islands", "Albania"]
    assert len(english) == 249
