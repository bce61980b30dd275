"""The kinds that comparisons need: what each accepts, refuses in which words, stores by candidate id, and exports."""

from itertools import pairwise
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import TypeAdapter

from annotation.studies.forms import Asked, QuestionForm
from annotation.studies.loading import DocumentError, checked
from annotation.studies.questions import AnyQuestion
from annotation.studies.questions.base import AnswerError, Question, Subject
from annotation.studies.questions.offsets import as_shown, sentences, stored_offset
from annotation.studies.show_if import holds

READ: TypeAdapter[Question] = TypeAdapter(AnyQuestion)
PAIR = Subject({"A": "id-2", "B": "id-1"}, {"A": "One text.", "B": "Another."})
ONE = Subject({"B": "id-1"}, {"B": "Bees 🐝 fly.\r\nBees dance."})
SOURCE = Subject({"A": "id-1"}, source="It rained. Did it?\r\n\r\n雨。はい。")
FOUR = Subject({"A": "id-3", "B": "id-1", "C": "id-4", "D": "id-2"})
NOT_ONE = "This is not one of the choices."


def question(kind: str, subject: Subject = PAIR, **keys: Any) -> Question:
    return READ.validate_python({"kind": kind, "text": "Why?"} | keys).about(subject)


def posted(**fields: Any) -> dict[str, list[str]]:
    return {name.replace("__", "-"): value if isinstance(value, list) else [value] for name, value in fields.items()}


def refusal(asked: Question, **fields: Any) -> dict[str, str]:
    with pytest.raises(AnswerError) as caught:
        asked.answer("q", posted(**fields), None)
    return {caught.value.field: caught.value.text} | caught.value.others


ASPECTS = {"aspects": {"fun": "Fun", "true": "True"}}
REASONS = {"choices": {"clear": "It is clearer", "short": "It is shorter"}}
KINDS = {"categories": {"fact": "A fact", "style": "Style"}, "polarity": True}
TREE = {"tree": {"know": {"past": ["war", "art"], "law": None}, "chat": None}}
OPENINGS = {"openings": ["Response A is", "Response B is"]}


def mark(
    start: int,
    end: int,
    text: str,
    category: str | None = None,
    polarity: str | None = None,
    *,
    candidate: str = "id-1",
) -> dict[str, Any]:
    where = {"candidate": candidate, "start": start, "end": end, "text": text}
    return where | {"category": category, "polarity": polarity}


def part(start: int, end: int, text: str) -> dict[str, Any]:
    return {"start": start, "end": end, "text": text}


VALID: list[tuple[Question, dict[str, Any], Any]] = [
    (question("preference"), {"q": "A"}, "id-2"),
    (question("preference"), {"q": "tie"}, "tie"),
    (question("preference", both_bad=True), {"q": "both_bad"}, "both_bad"),
    (question("preference", FOUR, cannot_judge=True), {"q": "cannot_judge"}, "cannot_judge"),
    (question("graded_preference"), {"q": "-2"}, {"toward": "id-2", "strength": 2}),
    (question("graded_preference"), {"q": "1"}, {"toward": "id-1", "strength": 1}),
    (question("graded_preference", points=7), {"q": "0"}, {"toward": None, "strength": 0}),
    (question("graded_preference", points=6, tie=False), {"q": "-3"}, {"toward": "id-2", "strength": 3}),
    (question("graded_preference", both_bad=True), {"q": "both_bad"}, "both_bad"),
    (question("best_of", FOUR), {"q": "C"}, ["id-4"]),
    (question("best_of", FOUR, k=2), {"q": ["A", "B"]}, ["id-1", "id-3"]),
    (question("best_of", FOUR, k=3, fewer=True), {"q": "D"}, ["id-2"]),
    (question("best_of", FOUR, none=True), {"q": "none"}, []),
    (question("best_of", k=9), {"q": ["A", "B"]}, ["id-1", "id-2"]),
    (question("best_worst", FOUR), {"q__best": "B", "q__worst": "D"}, {"best": "id-1", "worst": "id-2"}),
    (
        question("ranking", FOUR),
        {"q__A": "2", "q__B": "1", "q__C": "2", "q__D": "4"},
        {"ranks": {"id-3": 2, "id-1": 1, "id-4": 2, "id-2": 3}, "not_rankable": []},
    ),
    (
        question("ranking", FOUR, top=2, ties=False),
        {"q__D": "1", "q__A": "3"},
        {"ranks": {"id-2": 1, "id-3": 2}, "not_rankable": []},
    ),
    (
        question("ranking", FOUR, not_rankable=True),
        {"q__A": "x", "q__B": "1", "q__C": "x", "q__D": "2"},
        {"ranks": {"id-1": 1, "id-2": 2}, "not_rankable": ["id-3", "id-4"]},
    ),
    (question("stars"), {"q": "4"}, 4),
    (question("stars", count=10), {"q": "10"}, 10),
    (question("yes_no"), {"q": "no"}, False),
    (question("yes_no"), {"q": "yes"}, True),
    (
        question("aspect_grid", stars=5, **ASPECTS),
        {"q__fun__A": "1", "q__fun__B": "5", "q__true__A": "3", "q__true__B": "2"},
        {"fun": {"id-2": 1, "id-1": 5}, "true": {"id-2": 3, "id-1": 2}},
    ),
    (
        question("aspect_grid", scale={"min": -5, "max": 5}, na_cells=True, **ASPECTS),
        {"q__fun__A": "-5", "q__fun__B__na": "on", "q__true__A": "0", "q__true__B": "2"},
        {"fun": {"id-2": -5, "id-1": None}, "true": {"id-2": 0, "id-1": 2}},
    ),
    (question("reasons", **REASONS), {"q": ["short", "clear"]}, ["clear", "short"]),
    (question("reasons", **REASONS), {"q__other__text": "It rhymes"}, ["other"]),
    (
        question("reasons", by_side=True, **REASONS),
        {"q__B": ["short"], "q__A__other__text": "It rhymes"},
        {"id-2": ["other"], "id-1": ["short"]},
    ),
    (question("confidence"), {"q": "4"}, 4),
    (question("confidence", points={"count": 3, "ends": ["a", "b"]}), {"q": "3"}, 3),
    (question("rationale"), {"q": "It is kinder."}, "It is kinder."),
    (question("rationale", openings=["Response A is"]), {"q": "kinder."}, "Response A is kinder."),
    (question("rationale", **OPENINGS), {"q": "kinder.", "q__opening": "2"}, "Response B is kinder."),
    (question("points", FOUR, total=10), {"q__A": "3", "q__D": "7"}, {"id-3": 3, "id-1": 0, "id-4": 0, "id-2": 7}),
    (question("spans", ONE), {"q__1__quote": "dance"}, [mark(18, 23, "dance")]),
    (question("spans", ONE), {"q__1__quote": "Bees", "q__1__start": "12"}, [mark(13, 17, "Bees")]),
    (question("spans", ONE), {"q__4__quote": "Bees", "q__4__start": "9"}, [mark(13, 17, "Bees")]),
    (question("spans", ONE), {"q__1__quote": "fly.\r\nBees"}, [mark(7, 17, "fly.\r\nBees")]),
    (
        question("spans", ONE, **KINDS),
        {
            "q__1__quote": "dance",
            "q__1__category": "fact",
            "q__1__polarity": "negative",
            "q__2__quote": "fly",
            "q__2__category": "style",
            "q__2__polarity": "positive",
        },
        [mark(7, 10, "fly", "style", "positive"), mark(18, 23, "dance", "fact", "negative")],
    ),
    (
        question("spans", PAIR),
        {"q__1__quote": "text", "q__1__slot": "A", "q__2__quote": "Another", "q__2__slot": "B"},
        [mark(0, 7, "Another"), mark(4, 8, "text", candidate="id-2")],
    ),
    (question("edit", ONE), {"q": "Bees 🐝 fly.\r\nBees sing."}, "Bees 🐝 fly.\nBees sing."),
    (question("extract", SOURCE), {"q": ["1", "0"]}, [part(0, 10, "It rained."), part(11, 18, "Did it?")]),
    (
        question("extract", SOURCE, order="chosen"),
        {"q__3": "2", "q__2": "9", "q__0": "1"},
        [part(0, 10, "It rained."), part(24, 27, "はい。"), part(22, 24, "雨。")],
    ),
    (question("label_tree", **TREE), {"q": "know/past/art"}, ["know/past/art"]),
    (
        question("label_tree", at_most=None, leaves_only=False, **TREE),
        {"q": ["chat", "know/past"]},
        ["know/past", "chat"],
    ),
]


@pytest.mark.parametrize(("asked", "fields", "expected"), VALID)
def test_answer_names_candidates_by_their_ids(asked: Question, fields: dict[str, Any], expected: Any) -> None:
    assert asked.answer("q", posted(**fields), None).value == expected


@pytest.mark.parametrize(("asked", "fields", "_expected"), VALID)
def test_columns_and_values_name_the_same_things(asked: Question, fields: dict[str, Any], _expected: Any) -> None:
    stored = asked.answer("q", posted(**fields), None).stored()
    assert [column.name for column in asked.columns("q")] == list(asked.values("q", stored))


@pytest.mark.parametrize(("asked", "fields", "_expected"), VALID)
def test_forged_field_under_the_prefix_is_refused(asked: Question, fields: dict[str, Any], _expected: Any) -> None:
    assert refusal(asked, **fields, q__Z="1") == {"q": "This form does not fit the question. Please reload the page."}


INVALID: list[tuple[Question, dict[str, Any], dict[str, str]]] = [
    (question("preference"), {"q": "id-1"}, {"q": NOT_ONE}),
    (question("preference"), {"q": "C"}, {"q": NOT_ONE}),
    (question("preference"), {"q": ["A", "B"]}, {"q": NOT_ONE}),
    (question("preference"), {"q": "both_bad"}, {"q": NOT_ONE}),
    (question("preference", tie=False), {"q": "tie"}, {"q": NOT_ONE}),
    (question("preference", Subject()), {"q": "tie"}, {"q": "This question cannot be put about 0 candidates."}),
    (question("graded_preference"), {"q": "3"}, {"q": NOT_ONE}),
    (question("graded_preference"), {"q": "+1"}, {"q": NOT_ONE}),
    (question("graded_preference", points=4, tie=False), {"q": "0"}, {"q": NOT_ONE}),
    (question("graded_preference"), {"q": "tie"}, {"q": NOT_ONE}),
    (question("graded_preference", FOUR), {"q": "1"}, {"q": "This question cannot be put about 4 candidates."}),
    (question("best_of", FOUR, k=2), {"q": "A"}, {"q": "Choose 2; you have chosen 1."}),
    (question("best_of", FOUR), {"q": ["A", "B"]}, {"q": "Choose 1; you have chosen 2."}),
    (question("best_of", FOUR), {"q": "none"}, {"q": NOT_ONE}),
    (
        question("best_of", FOUR, none=True),
        {"q": ["none", "A"]},
        {"q": "Choose either some of them or none of them."},
    ),
    (question("best_worst", FOUR), {"q__best": "A"}, {"q-worst": "Choose one here, too."}),
    (question("best_worst", FOUR), {"q__best": "E", "q__worst": "A"}, {"q-best": NOT_ONE}),
    (
        question("best_worst", FOUR),
        {"q__best": "A", "q__worst": "A"},
        {"q-worst": "The best and the worst have to be two different ones."},
    ),
    (question("ranking"), {"q__A": "3", "q__B": "1"}, {"q-A": NOT_ONE}),
    (question("ranking"), {"q__A": "x", "q__B": "1"}, {"q-A": NOT_ONE}),
    (
        question("ranking", ties=False),
        {"q__A": "1", "q__B": "1"},
        {"q-B": "Place 1 is taken by A; every one needs its own."},
    ),
    (
        question("ranking", FOUR),
        {"q__A": "1", "q__C": "2"},
        {
            "q": "Give places to 4 of them; 2 have one.",
            "q-B": "This one has no place yet.",
            "q-D": "This one has no place yet.",
        },
    ),
    (question("ranking", FOUR, top=2), {"q__A": "1"}, {"q": "Give places to 2 of them; 1 have one."}),
    (
        question("ranking", FOUR, top=1),
        {"q__A": "1", "q__B": "2"},
        {"q": "Give places to 1 of them, not to 2."},
    ),
    (question("stars"), {"q": "6"}, {"q": NOT_ONE}),
    (question("stars"), {"q": "0"}, {"q": NOT_ONE}),
    (question("yes_no"), {"q": "true"}, {"q": NOT_ONE}),
    (
        question("aspect_grid", points={"count": 5}, **ASPECTS),
        {"q__fun__A": "1", "q__fun__B": "6", "q__true__A": "3", "q__true__B": "2"},
        {"q-fun-B": NOT_ONE},
    ),
    (
        question("aspect_grid", points={"count": 5}, **ASPECTS),
        {"q__fun__A": "1", "q__true__A": "3", "q__true__B": "2"},
        {"q": "Please answer every one of them.", "q-fun-B": "Please answer this one."},
    ),
    (question("reasons", **REASONS), {"q": "long"}, {"q": NOT_ONE}),
    (question("reasons", **REASONS), {"q": "other"}, {"q-other-text": "Please write what you mean."}),
    (question("reasons", at_least=2, **REASONS), {"q": "clear"}, {"q": "Choose at least 2."}),
    (question("reasons", at_most=1, **REASONS), {"q": ["clear", "short"]}, {"q": "Choose at most 1."}),
    (question("reasons", by_side=True, **REASONS), {"q__A": "long"}, {"q-A": NOT_ONE}),
    (question("confidence"), {"q": "5"}, {"q": NOT_ONE}),
    (question("rationale", **OPENINGS), {"q": "kinder."}, {"q-opening": "Choose how it begins."}),
    (question("rationale", **OPENINGS), {"q": "kinder.", "q__opening": "3"}, {"q-opening": "Choose how it begins."}),
    (
        question("rationale", openings=["It is"], max_chars=10),
        {"q": "much nicer"},
        {"q": "Write 0 to 10 characters, the beginning included; there are 16."},
    ),
    (
        question("points", FOUR),
        {"q__A": "60", "q__B": "60"},
        {"q": "The numbers have to add up to 100; they add up to 120."},
    ),
    (
        question("points", FOUR),
        {"q__A": "-1", "q__B": "x"},
        {"q-A": "Write a whole number from 0 to 100.", "q-B": "Write a whole number from 0 to 100."},
    ),
    (question("spans", ONE), {"q__2__quote": "sing"}, {"q-2-quote": "These words do not stand in the text."}),
    (question("spans", PAIR), {"q__1__quote": "text"}, {"q-1-slot": "Say in which one these words stand."}),
    (
        question("spans", PAIR),
        {"q__1__quote": "text", "q__1__slot": "C"},
        {"q-1-slot": "Say in which one these words stand."},
    ),
    (question("spans", ONE, **KINDS), {"q__1__quote": "fly"}, {"q-1-category": "Please choose."}),
    (question("spans", ONE), {"q__1__quote": "fly", "q__1__polarity": "negative"}, {"q-1-polarity": NOT_ONE}),
    (
        question("spans", ONE, **KINDS),
        {"q__1__category": "fact"},
        {"q-1-quote": "Copy the words here, or choose nothing."},
    ),
    (question("spans", ONE, fewest=2), {"q__1__quote": "fly"}, {"q": "Mark at least 2."}),
    (
        question("edit", ONE, must_change=True),
        {"q": "Bees 🐝 fly.\r\nBees dance."},
        {"q": "Change the text first; it is as it was."},
    ),
    (
        question("edit", ONE, max_chars=10),
        {"q": "x" * 2100},
        {"q": "Write at most 2024 characters; there are 2100."},
    ),
    (question("extract", SOURCE), {"q": "4"}, {"q": NOT_ONE}),
    (question("extract", SOURCE, most=1), {"q": ["0", "1"]}, {"q": "Choose at most 1."}),
    (question("extract", SOURCE, fewest=3), {"q": ["0", "1"]}, {"q": "Choose at least 3."}),
    (
        question("extract", SOURCE, order="chosen"),
        {"q__0": "1", "q__1": "1"},
        {"q-1": "Place 1 is taken already."},
    ),
    (
        question("extract", SOURCE, order="chosen"),
        {"q__0": "0"},
        {"q-0": "Write a place: 1 for the first, 2 for the second."},
    ),
    (question("label_tree", **TREE), {"q": "know"}, {"q": NOT_ONE}),
    (question("label_tree", **TREE), {"q": "war"}, {"q": NOT_ONE}),
    (question("label_tree", **TREE), {"q": ["chat", "know/law"]}, {"q": "Choose at most 1."}),
]


@pytest.mark.parametrize(("asked", "fields", "expected"), INVALID)
def test_answer_is_refused_in_words_beside_its_field(
    asked: Question, fields: dict[str, Any], expected: dict[str, str]
) -> None:
    assert refusal(asked, **fields) == expected


def test_graded_preference_is_the_same_value_whichever_side_stood_first() -> None:
    swapped = Subject({"A": "id-1", "B": "id-2"})
    first = question("graded_preference", PAIR).answer("q", posted(q="-2"), None)
    second = question("graded_preference", swapped).answer("q", posted(q="2"), None)
    assert first.value == second.value == {"toward": "id-2", "strength": 2}
    assert (first.details, second.details) == ({"signed": -2}, {"signed": 2})


def test_graded_preference_says_every_point_in_words_and_shows_numbers_where_asked() -> None:
    shown = question("graded_preference", points=7, show="numbers").widget("q", {}, None, "en")
    assert [(point["shown"], point["words"]) for point in shown["points"]] == [
        ("−3", "A is much better"),
        ("−2", "A is better"),
        ("−1", "A is slightly better"),
        ("0", "Equally good"),
        ("1", "B is slightly better"),
        ("2", "B is better"),
        ("3", "B is much better"),
    ]


def test_own_words_of_points_stand_on_both_sides_with_the_letter() -> None:
    asked = question("graded_preference", labels=["{slot} by far", "{slot}, barely"], words={"tie": "Same"})
    words = [point["words"] for point in asked.widget("q", {}, None, "en")["points"]]
    assert words == ["A by far", "A, barely", "Same", "B, barely", "B by far"]


def test_grid_exports_one_column_an_aspect_with_numbers_and_reasons_by_candidate() -> None:
    asked = question("aspect_grid", stars=5, na_cells=True, required=False, **ASPECTS)
    answer = asked.answer("q", posted(q__fun__A="1", q__fun__B__na="on"), None)
    assert asked.values("q", answer.stored()) == {
        "q:fun": {"id-2": 1, "id-1": None},
        "q:fun:missing": {"id-1": "not_applicable"},
        "q:true": {"id-2": None, "id-1": None},
        "q:true:missing": {"id-2": "unanswered", "id-1": "unanswered"},
        "q:missing": None,
    }


DRAFTED = [
    ({"q": "It rhymes."}, {"draft": "accepted", "distance": 0}),
    ({"q": "It rimes."}, {"draft": "edited", "distance": 2}),
    ({"q": "No.", "q-refused": "on"}, {"draft": "refused", "distance": 9}),
]


@pytest.mark.parametrize(("fields", "details"), DRAFTED)
def test_proposed_rationale_is_accepted_edited_or_refused(fields: dict[str, str], details: dict[str, Any]) -> None:
    asked = question("rationale", Subject(draft="It rhymes."))
    answer = asked.answer("q", {name: [text] for name, text in fields.items()}, None)
    assert (answer.value, dict(answer.details)) == (fields["q"], details)


def test_proposal_is_shown_until_something_else_is_written_and_cannot_be_refused_and_sent() -> None:
    asked = question("rationale", Subject(draft="It rhymes."))
    assert asked.widget("q", {}, None, "en")["value"] == "It rhymes."
    assert asked.widget("q", {"q": [""]}, None, "en")["value"] == ""
    assert refusal(asked, q="It rhymes.", q__refused="on") == {"q": "Write your own text, or take the tick back."}


def test_draft_of_the_document_stands_where_the_item_has_none() -> None:
    asked = question("rationale", draft="Better, because")
    assert asked.widget("q", {}, None, "en")["value"] == "Better, because"


def test_edit_stores_its_distance_and_its_changes_on_the_stored_text() -> None:
    edited = question("edit", ONE).answer("q", posted(q="Bees fly.\r\nAll bees sing."), None)
    assert (edited.value, dict(edited.details)) == (
        "Bees fly.\nAll bees sing.",
        {
            "changed": True,
            "distance": 11,
            "diff": [
                {"start": 5, "end": 7, "text": ""},
                {"start": 13, "end": 17, "text": "All"},
                {"start": 18, "end": 23, "text": "bees sing"},
            ],
        },
    )


@settings(max_examples=200, deadline=None)
@given(st.text("ab \r\n.", max_size=40), st.text("ab \n.", max_size=40))
def test_changes_of_an_edit_lead_from_the_stored_text_to_the_edited_one(stored: str, edited: str) -> None:
    asked = question("edit", Subject({"A": "id"}, {"A": stored}), required=False)
    answer = asked.answer("q", posted(q=edited), None)
    text, shift = stored, 0
    for step in answer.details.get("diff", []):
        text = text[: step["start"] + shift] + step["text"] + text[step["end"] + shift :]
        shift += len(step["text"]) - (step["end"] - step["start"])
    assert answer.value is None or as_shown(text) == answer.value


def test_text_that_is_left_as_it_is_has_no_changes_whatever_its_spaces_and_line_ends() -> None:
    asked = question("edit", Subject({"A": "id"}, {"A": "\n One.\r\n\r\nTwo. \n"}))
    shown = asked.widget("q", {}, None, "en")["value"]
    answer = asked.answer("q", posted(q=shown.replace("\n", "\r\n")), None)
    assert dict(answer.details) == {"changed": False, "distance": 0, "diff": []}


def test_very_different_long_texts_are_one_change() -> None:
    long = Subject({"A": "id"}, {"A": "a " * 4_000})
    answer = question("edit", long).answer("q", posted(q="b " * 3_500), None)
    assert answer.details["diff"] == [{"start": 0, "end": 8_000, "text": "b " * 3_500}]


@settings(max_examples=200, deadline=None)
@given(st.text(max_size=80))
def test_every_letter_of_a_source_stands_in_one_sentence_at_most_and_none_is_lost(source: str) -> None:
    spans = sentences(source)
    inside = "".join(source[start:end] for start, end in spans)
    assert "".join(inside.split()) == "".join(source.split())
    assert all(one[1] <= two[0] for one, two in pairwise(spans))


def test_mark_stands_where_the_page_counted_it_in_any_text() -> None:
    text = "a\r\n🐝b\rc\r\nd"
    shown = as_shown(text)
    assert [text[stored_offset(text, shown.index(letter))] for letter in "a🐝bcd"] == list("a🐝bcd")


MISTAKEN = [
    ({"kind": "label_tree", "tree": {"a/b": None}}, "tree"),
    ({"kind": "label_tree", "tree": ["a", "a"]}, "tree"),
    ({"kind": "label_tree", "tree": [{"a": ["b"]}]}, "tree"),
    ({"kind": "label_tree", "tree": ["a"], "labels": {"b": "B"}}, "labels.b"),
    ({"kind": "graded_preference", "points": 4}, "points"),
    ({"kind": "graded_preference", "points": 5, "tie": False}, "points"),
    ({"kind": "graded_preference", "labels": ["better"]}, "labels"),
    ({"kind": "preference", "words": {"both_bad": "None"}}, "words.both_bad"),
    ({"kind": "preference", "label": "Text"}, "label"),
    ({"kind": "aspect_grid", "aspects": ["fun"]}, ""),
    ({"kind": "aspect_grid", "aspects": ["fun"], "scale": {"start": 50}}, "scale.start"),
    ({"kind": "aspect_grid", "aspects": ["na"], "stars": 5}, "aspects"),
    ({"kind": "reasons", "choices": ["a"], "at_least": 3}, "at_least"),
    ({"kind": "rationale", "openings": ["It is"], "max_chars": 6}, "openings"),
    ({"kind": "spans", "fewest": 3, "most": 2}, "fewest"),
]


@pytest.mark.parametrize(("keys", "path"), MISTAKEN)
def test_question_that_cannot_be_is_refused_at_its_path(keys: dict[str, Any], path: str) -> None:
    tree = small({"about_item": ["other"]}, other=("short_text", {})) | {"study": "kinds"}
    tree["questions"]["q"] = {"text": "Why?"} | keys
    with pytest.raises(DocumentError) as caught:
        checked(tree)
    assert [where for where, _ in caught.value.problems] == [f"questions.q.{path}".rstrip(".")]


CONDITIONS: list[tuple[Question, dict[str, Any], Any, bool]] = [
    (question("preference"), {"q": "tie"}, "tie", True),
    (question("preference"), {"q": "A"}, "tie", False),
    (question("preference", both_bad=True), {"q": "both_bad"}, {"in": ["tie", "both_bad"]}, True),
    (question("graded_preference"), {"q": "-2"}, {"at_least": 2}, True),
    (question("graded_preference"), {"q": "1"}, {"at_least": 2}, False),
    (question("graded_preference"), {"q": "0"}, 0, True),
    (question("stars"), {"q": "2"}, {"at_most": 2}, True),
    (question("yes_no"), {"q": "no"}, False, True),
    (question("reasons", **REASONS), {"q": ["clear"]}, {"contains": "clear"}, True),
    (question("best_of", none=True), {"q": "none"}, {"missing": True}, False),
    (question("label_tree", **TREE), {"q": "know/law"}, {"contains": "know/law"}, True),
]


@pytest.mark.parametrize(("asked", "fields", "test", "expected"), CONDITIONS)
def test_conditions_read_the_answers(asked: Question, fields: dict[str, Any], test: Any, expected: bool) -> None:
    stored = asked.answer("q", posted(**fields), None).stored()
    assert holds({"q": test}, {"q": stored}) is expected


def widget_of(asked: Question, **fields: Any) -> dict[str, Any]:
    form = QuestionForm([Asked("q", asked, "q")], posted(**fields), seed="1", language="en")
    form.is_valid()
    return form.widgets()[0]


def test_error_of_a_cell_stands_beside_that_cell() -> None:
    shown = widget_of(question("ranking", ties=False), q__A="1", q__B="1")
    assert [row["error"] for row in shown["rows"]] == ["", "Place 1 is taken by A; every one needs its own."]


def small(protocol: dict[str, Any], **questions: Any) -> dict[str, Any]:
    return {
        "study": "pairs",
        "title": "Pairs",
        "item_sets": {"pairs": {}},
        "questions": {name: {"kind": kind, "text": "Why?"} | keys for name, (kind, keys) in questions.items()},
        "protocols": {"judge": protocol},
        "steps": [{"comparisons": "main", "items": "pairs", "protocol": "judge", "overlap": 1}],
    }


MISTAKES = [
    (
        small({"arrangement": "list", "about_item": ["q"]}, q=("graded_preference", {})),
        "protocols.judge.arrangement: q weighs exactly 2 candidates, and list shows 2 to 12",
    ),
    (
        small({"arrangement": "single", "about_item": ["q"]}, q=("preference", {})),
        "protocols.judge.arrangement: q weighs 2 or more candidates, and single shows 1",
    ),
    (
        small({"arrangement": "pair", "per_candidate": ["q"]}, q=("preference", {})),
        "protocols.judge.per_candidate: q is asked about the whole item",
    ),
    (
        small({"arrangement": "pair", "per_candidate": ["q"]}, q=("reasons", {"by_side": True, "choices": ["a"]})),
        "protocols.judge.per_candidate: q is asked about the whole item",
    ),
    (
        small(
            {"arrangement": "pair", "about_item": ["q", "why"]},
            q=("preference", {}),
            why=("rationale", {"show_if": {"q": "both_bad"}}),
        ),
        "questions.why.show_if: both_bad is no choice of q; allowed are tie",
    ),
]


@pytest.mark.parametrize(("tree", "problem"), MISTAKES)
def test_document_is_refused_where_a_question_cannot_be_asked(tree: dict[str, Any], problem: str) -> None:
    with pytest.raises(DocumentError) as caught:
        checked(tree)
    assert caught.value.text == problem


def test_question_about_candidates_is_refused_in_a_questionnaire() -> None:
    tree = small({"arrangement": "pair", "about_item": ["q"]}, q=("preference", {}))
    tree["steps"].insert(0, {"questionnaire": "survey", "pages": [["q"]]})
    with pytest.raises(DocumentError) as caught:
        checked(tree)
    assert caught.value.text == "steps.0.pages.0: q is asked about the whole item, so it belongs in a protocol"
