"""A row becomes an item as its mapping says, or says what is wrong with it."""

import hashlib
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from annotation.common.errors import DocumentError
from annotation.items.importing.mapping import read_mapping
from annotation.items.importing.media import MediaFolder
from annotation.items.importing.problems import Problem
from annotation.items.importing.proposing import proposed
from annotation.items.importing.reading import Row
from annotation.items.importing.shaping import ItemDraft, Shaper
from tests.factories.item_files import png

ROLES = "allowed are system, user and assistant"
HUGE = b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR\0\1\0\0\0\1\0\0"
AB = {"a": "A.text", "b": "B.text"}


def shaped(mapping: dict[str, str], values: dict[str, Any], root: Path = Path("/nowhere")) -> ItemDraft | list[Problem]:
    return Shaper(read_mapping(mapping), MediaFolder(root).take).shape(Row(7, values))


def item(mapping: dict[str, str], values: dict[str, Any], root: Path = Path("/nowhere")) -> ItemDraft:
    made = shaped(mapping, values, root)
    assert isinstance(made, ItemDraft), made
    return made


def said(*pairs: tuple[str, str]) -> list[dict[str, str]]:
    return [{"role": role, "content": content} for role, content in pairs]


def test_every_use_of_an_item_has_its_place() -> None:
    mapping = {
        "id": "external_id",
        "prompt": "messages",
        "system": "system_message",
        "rule": "criterion",
        "right": "reference",
        "texts": "documents",
        "lang": "language",
        "hard": "difficulty",
        "area": "path",
        "source": "tag",
        "words": "tag:topics",
        "best": "gold:preference",
        "room": "gold:door",
        "idea": "draft:why",
    }
    values = {
        "id": 12,
        "prompt": "Why?",
        "system": "Be brief.",
        "rule": "Truth",
        "right": "Because.",
        "idea": "It is shorter.",
        "texts": ["one", {"title": "T", "text": "two"}],
        "lang": "de",
        "hard": 3,
        "area": "Writing > Letters",
        "source": "web",
        "words": ["x", "y"],
        "best": "1",
        "room": "007",
    }
    made = item(mapping, values)
    assert (made.external_id, made.tags, made.gold) == (
        "12",
        {"source": "web", "topics": ["x", "y"]},
        {"preference": 1, "door": "007"},
    )
    assert made.context == {
        "messages": said(("user", "Why?")),
        "system_message": "Be brief.",
        "criterion": "Truth",
        "reference": "Because.",
        "documents": [{"title": "", "text": "one"}, {"title": "T", "text": "two"}],
        "language": "de",
        "difficulty": "3",
        "path": ["Writing", "Letters"],
        "drafts": {"why": "It is shorter."},
    }


def test_every_part_of_a_candidate_has_its_place() -> None:
    mapping = {
        "a": "A.text",
        "a_model": "A.model",
        "a_licence": "A.licence",
        "a_prompt": "A.prompt",
        "a_round": "A.note:round",
        "b": "B.code",
        "b_lang": "B.code_language",
        "c": "C.items",
        "d": "D.messages",
    }
    values = {
        "a": "Yes",
        "a_model": "m-1",
        "a_licence": "CC0",
        "a_prompt": "Really?",
        "a_round": 2,
        "b": "print(1)",
        "b_lang": "python",
        "c": '["one", "two"]',
        "d": [{"from": "human", "value": "Hi"}, {"from": "gpt", "value": "Ho"}],
    }
    made = item(mapping, values)
    assert [one.content for one in made.candidates] == [
        {"text": "Yes"},
        {"code": {"language": "python", "text": "print(1)"}},
        {"items": ["one", "two"]},
        {"messages": said(("user", "Hi"), ("assistant", "Ho"))},
    ]
    assert made.candidates[0].context == {"messages": said(("user", "Really?"))}
    assert made.candidates[0].provenance == {"column": "a", "model": "m-1", "licence": "CC0", "round": 2}


def test_candidates_come_from_lists_of_one_row_side_by_side() -> None:
    made = item({"r[]": "each.text", "m[]": "each.model"}, {"r": ["x", "y", None], "m": ["one", "two", None]})
    assert [(one.content, one.provenance) for one in made.candidates] == [
        ({"text": "x"}, {"model": "one"}),
        ({"text": "y"}, {"model": "two"}),
    ]


def test_what_talks_have_in_common_is_the_prompt_and_their_last_answers_are_compared() -> None:
    system, asked = ("system", "Be kind."), ("user", "Hi")
    values = {"a": said(system, asked, ("assistant", "A")), "b": said(system, asked, ("assistant", "B"))}
    made = item({"a": "A.conversation", "b": "B.conversation"}, values)
    assert made.context == {"system_message": "Be kind.", "messages": said(asked)}
    assert [(one.content, one.context) for one in made.candidates] == [({"text": "A"}, {}), ({"text": "B"}, {})]


def test_talks_that_begin_differently_keep_their_own_prompts() -> None:
    values = {"a": said(("user", "x"), ("assistant", "A")), "b": said(("user", "y"), ("assistant", "B"))}
    made = item({"a": "A.conversation", "b": "B.conversation"}, values)
    assert (made.context, [one.context["messages"][0]["content"] for one in made.candidates]) == ({}, ["x", "y"])


def test_a_transcript_is_a_talk() -> None:
    text = "\n\nHuman: One?\n\nAssistant: Two.\n\nHuman: Three?\n\nAssistant: Four."
    made = item({"a": "A.conversation"}, {"a": text})
    assert made.candidates[0].content == {"text": "Four."}
    assert made.context["messages"] == said(("user", "One?"), ("assistant", "Two."), ("user", "Three?"))


def test_marks_between_the_turns_of_a_prompt_are_read() -> None:
    text = "One?\n<extra_id_1>Assistant\nTwo.\n<extra_id_1>User\nThree?"
    made = item({"p": "messages"}, {"p": text})
    assert made.context["messages"] == said(("user", "One?"), ("assistant", "Two."), ("user", "Three?"))


@pytest.mark.parametrize(
    ("mapping", "values", "problems"),
    [
        ({"id": "external_id", "p": "messages"}, {"p": "x"}, [("id", "is missing; every row needs its id")]),
        ({"p": "messages"}, {"p": {"x": 1}}, [("p", f"holds a message with the role 'None'; {ROLES}")]),
        (AB, {"a": 1, "b": {"x": 1}}, [("b", "is an object; a text is allowed")]),
        (AB, {"a": "x\0"}, [("a", "holds a character that is no text (NUL or half of a pair)")]),
        (AB, {"a": "\ud800"}, [("a", "holds a character that is no text (NUL or half of a pair)")]),
        (AB, {}, [("", "has no candidate: every column of them is empty")]),
        ({"p": "messages"}, {}, [("", "shows nothing: neither a prompt nor a candidate")]),
        ({"t": "tag", **AB}, {"t": {"x": 1}, "a": "y"}, [("t", "a tag is a word, a number, or a list of them")]),
        ({"a": "A.conversation"}, {"a": said(("user", "x"))}, [("a", "has to end with an answer of the assistant")]),
        ({"r[]": "each.text"}, {"r": "x"}, [("r[]", "is not a list")]),
        (
            {"r[]": "each.text", "m[]": "each.model"},
            {"r": ["x", "y"], "m": ["z"]},
            [("m[]", "has 1 elements, and another list of this row has 2")],
        ),
        ({"r[]": "each.text"}, {"r": ["x"] * 13}, [("", "has 13 candidates; 12 are allowed")]),
    ],
)
def test_what_is_wrong_with_a_row_is_said_with_its_column(
    mapping: dict[str, str], values: dict[str, Any], problems: list[tuple[str, str]]
) -> None:
    assert shaped(mapping, values) == [Problem(7, column, text) for column, text in problems]


@pytest.mark.parametrize(
    ("mapping", "problem"),
    [
        ({}, ("mapping", "uses no column; allowed uses are ")),
        ({"a": "A.txt"}, ("a", "A.txt is not allowed; allowed are ")),
        ({"a": "B.text"}, ("mapping", "candidates are lettered from A on without a gap; there are B")),
        ({"a": "A.text", "b": "A.text"}, ("b", "A.text is what a is used for already")),
        ({"a": "A.text", "b[]": "each.text"}, ("mapping", "candidates come from columns (A, B, …) or from a list")),
        ({"a": "A.model"}, ("mapping", "candidate A has no content; give it one of ")),
        ({"a": "each.text"}, ("a", "each.… goes with a list such as completions[]")),
        ({"a[]": "language"}, ("a[]", "language takes one value, and a[] is a list")),
        ({"a": "A.text", "b": "A.code_language"}, ("mapping", "candidate A has the language of a code, and no code")),
        (["a"], ("mapping", "is a list of columns, each with its use")),
    ],
)
def test_a_mapping_that_makes_no_sense_is_refused_with_the_column(mapping: Any, problem: tuple[str, str]) -> None:
    with pytest.raises(DocumentError) as refused:
        read_mapping(mapping)
    assert [(path, text[: len(problem[1])]) for path, text in refused.value.problems][:1] == [problem]


def test_a_mapping_for_columns_that_are_not_there_says_which_are() -> None:
    with pytest.raises(DocumentError) as refused:
        read_mapping({"promt": "messages"}, columns=["prompt", "id"])
    assert refused.value.problems == [("promt", "there is no such column; there are prompt, id")]


def test_the_same_row_has_the_same_hash_and_another_has_another() -> None:
    rows = [{"a": "x", "b": "y"}, {"b": "y", "a": "x"}, {"a": "x", "b": "z"}]
    first, second, third = (item(AB, row).sha256() for row in rows)
    assert (first == second, first == third) == (True, False)


# -- media -------------------------------------------------------------------------------------------------------------
def test_an_image_is_taken_by_its_name_by_its_bytes_or_by_both(tmp_path: Path) -> None:
    (tmp_path / "im").mkdir()
    (tmp_path / "im" / "a.png").write_bytes(png())
    mapping = {"p": "image", "a": "A.image", "b": "B.image"}
    made = item(mapping, {"p": "im/a.png", "a": png(), "b": {"bytes": png(), "path": "x.png"}}, tmp_path)
    medium = {"media": hashlib.sha256(png()).hexdigest(), "alt": ""}
    assert made.context == {"media": [{"image": medium}]}
    assert [one.content for one in made.candidates] == [{"image": medium}] * 2


@pytest.mark.parametrize(
    ("value", "says"),
    [
        ("https://example.org/a.png", "names another host; media have to lie beside the rows, or in the"),
        ("../secret.png", "../secret.png is not there; media have to lie beside the rows, or in the archive"),
        ("gone.png", "gone.png is not there; media have to lie beside the rows, or in the archive"),
        (b"<svg xmlns='http://www.w3.org/2000/svg'/>", "from the table is of no kind that can be shown; allowed are "),
        (b"<html><script>", "from the table is of no kind that can be shown; allowed are "),
        (b"ID3\x03rest", "from the table is of kind audio, and image is wanted here"),
        (HUGE, "from the table has 65536 × 65536 pixels; 100,000,000 are allowed"),
    ],
)
def test_media_that_cannot_be_shown_are_refused(tmp_path: Path, value: Any, says: str) -> None:
    (tmp_path / "in").mkdir()
    (tmp_path / "secret.png").write_bytes(png())
    made = shaped({"a": "A.image"}, {"a": value}, tmp_path / "in")
    assert isinstance(made, list)
    assert [(one.column, one.text[: len(says)]) for one in made] == [("a", says)]


# -- anything ----------------------------------------------------------------------------------------------------------
NAMES = st.sampled_from(
    ["prompt", "chosen", "rejected", "messages", "id", "completions", "image", "response_a", "response_b"]
)
VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8) | st.binary(max_size=8),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(["role", "content", "model", "text", "from", "value", "a.b"]), inner, max_size=3
        )
    ),
    max_leaves=8,
)
TABLES = st.lists(st.dictionaries(NAMES, VALUES, min_size=1, max_size=5), min_size=1, max_size=4)


@settings(max_examples=100, deadline=None)
@given(rows=TABLES)
def test_whatever_the_rows_are_what_is_proposed_for_them_gives_items_or_problems(rows: list[dict[str, Any]]) -> None:
    mapping = proposed(rows)
    if not mapping:
        return
    shaper = Shaper(read_mapping(mapping), MediaFolder(Path("/nowhere")).take)
    for number, row in enumerate(rows):
        made = shaper.shape(Row(number, row))
        assert isinstance(made, ItemDraft) or {type(one) for one in made} == {Problem}
        if isinstance(made, ItemDraft):
            made.sha256().encode()
