"""A release whose rows break a rule is refused, and the message names file, line and key."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from annotation.exports.layouts import layout_named
from annotation.exports.reading import Reading
from annotation.exports.validation import ReleaseRefusedError, refuse_broken, written_folder
from annotation.studies.models import Study
from tests.annotation.exports.conftest import Export, records
from tests.factories import prism_rows

Rows = list[dict[str, Any]]
TABLES = ("survey", "conversations", "utterances", "metadata", "models")


@pytest.fixture
def study(db: None) -> Study:
    study = prism_rows.prism_study()
    prism_rows.person(study, talks=("unguided",))
    prism_rows.person(study)
    return study


def refusal(study: Study, folder: Path, counts: dict[str, int] | None = None) -> list[str]:
    """What the validator says about the folder."""
    reading, layout = Reading(study, prism_rows.CUT_OFF), layout_named("prism")
    written = written_folder(folder, layout.tables(reading), ("jsonl",))
    found = counts or {table: len(records(folder, table)) for table in TABLES}
    try:
        refuse_broken(layout, reading, written, found)
    except ReleaseRefusedError as error:
        return [str(problem) for problem in error.problems]
    return []


def rewrite(folder: Path, table: str, change: Callable[[Rows], object]) -> None:
    rows = records(folder, table)
    change(rows)
    text = "".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows)
    (folder / f"{table}.jsonl").write_text(text, encoding="utf-8")


def at(row: int, key: str, value: Any) -> Callable[[Rows], object]:
    return lambda rows: rows[row].__setitem__(key, value)


def in_history(item: int, **values: Any) -> Callable[[Rows], object]:
    return lambda rows: rows[0]["conversation_history"][item].update(values)


def all_chosen(rows: Rows) -> None:
    for item in rows[0]["conversation_history"][1:5]:
        item["if_chosen"] = True


def reordered(rows: Rows) -> None:
    rows[0] = dict(reversed(rows[0].items()))


def test_a_sound_release_is_not_refused(study: Study, export: Export) -> None:
    assert refusal(study, export("out")) == []


RECORDS = [
    ("survey", at(0, "age", None), "survey.jsonl:1: age: null is not allowed", "required"),
    ("survey", at(1, "survey_only", 1), "survey.jsonl:2: survey_only: int instead of boolean", "type"),
    (
        "survey",
        at(0, "lm_direct_use", "Maybe"),
        "survey.jsonl:1: lm_direct_use: 'Maybe' is not among Yes, No, Unsure, Prefer not to say",
        "closed list",
    ),
    ("survey", at(0, "user_id", "anna"), r"survey.jsonl:1: user_id: 'anna' does not look like user\d+", "pseudonym"),
    ("utterances", at(2, "score", 101), "utterances.jsonl:3: score: 101 is above 100", "range"),
    ("utterances", at(2, "score", 0), "utterances.jsonl:3: score: 0 is below 1", "range"),
    ("utterances", at(2, "score", None), "utterances.jsonl:3: score: null is not allowed", "rated"),
    ("conversations", in_history(1, score=0), "conversations.jsonl:1: conversation_history.1.score: 0 is below 1", "r"),
    (
        "utterances",
        lambda rows: rows[0].pop("if_chosen"),
        "utterances.jsonl:1: if_chosen: is missing",
        "key",
    ),
    ("models", at(0, "secret", "x"), "models.jsonl:1: secret: is no key of this table", "surplus"),
    ("models", reordered, "models.jsonl:1: status: stands where long_name must be", "order"),
]
BETWEEN = [
    ("survey", at(1, "user_id", "user0"), "survey.jsonl:2: user_id: user0 stands there twice", "twice"),
    (
        "survey",
        at(0, "num_completed_conversations", 2),
        "survey.jsonl:1: num_completed_conversations: 2, but conversations has 1 of user0",
        "count",
    ),
    (
        "survey",
        at(0, "survey_only", True),
        "survey.jsonl:1: survey_only: True with 1 num_completed_conversations",
        "survey only",
    ),
    (
        "survey",
        at(1, "included_in_US_REP", True),
        "survey.jsonl:2: included_in_US_REP: true outside the balanced subset",
        "sample",
    ),
    (
        "conversations",
        at(0, "opening_prompt", "Another."),
        "conversations.jsonl:1: opening_prompt: is not the first message of conversation_history",
        "opening",
    ),
    (
        "conversations",
        at(0, "conversation_turns", 9),
        "conversations.jsonl:1: conversation_turns: 9, but conversation_history has 2",
        "turns",
    ),
    (
        "conversations",
        all_chosen,
        "conversations.jsonl:1: conversation_history: turn 0 has 4 chosen responses; there must be exactly one",
        "chosen",
    ),
    (
        "conversations",
        lambda rows: rows[0]["conversation_history"].insert(1, dict(rows[0]["conversation_history"][0])),
        "conversations.jsonl:1: conversation_history: the roles of turn 0 are user, user, model, model, model, model",
        "roles",
    ),
    (
        "conversations",
        in_history(2, within_turn_id=0),
        "conversations.jsonl:1: conversation_history: within_turn_id of turn 0 is 0, 0, 2, 3",
        "places",
    ),
    (
        "conversations",
        lambda rows: [item.update(turn=item["turn"] + 1) for item in rows[0]["conversation_history"]],
        "conversations.jsonl:1: conversation_history: turns are 1, 2",
        "numbers",
    ),
    (
        "conversations",
        at(0, "user_id", "user7"),
        "conversations.jsonl:1: user_id: user7 is nowhere else",
        "foreign key",
    ),
    (
        "utterances",
        at(1, "utterance_id", "ut0"),
        "utterances.jsonl:2: utterance_id: ut0 stands there twice",
        "twice",
    ),
    (
        "utterances",
        at(0, "model_name", "gpt-9"),
        "utterances.jsonl:1: model_name: gpt-9 is nowhere else",
        "foreign key",
    ),
    (
        "utterances",
        at(0, "model_response", "Another."),
        "utterances.jsonl:1: model_response: differs from conversations",
        "the same text",
    ),
    (
        "utterances",
        at(0, "user_prompt", "Another."),
        "utterances.jsonl:1: user_prompt: differs from conversations",
        "the same prompt",
    ),
    (
        "utterances",
        lambda rows: rows.pop(),
        "utterances.jsonl:1: conversation_id: c0 has 5 rows and 6 responses in its history",
        "a row less",
    ),
    (
        "utterances",
        at(4, "interaction_id", "int0"),
        "utterances.jsonl:5: interaction_id: int0 spans two turns",
        "interaction",
    ),
    (
        "metadata",
        at(-1, "conversation_id", "c9"),
        "metadata.jsonl:13: conversation_id: c9 is nowhere else",
        "foreign key",
    ),
    (
        "metadata",
        lambda rows: rows.pop(),
        "metadata.jsonl: column_id: 0 rows of open_feedback for 1 texts",
        "a text less",
    ),
    ("models", at(1, "long_name", "claude-2"), "models.jsonl:2: model_name: claude-2 stands there twice", "twice"),
]


@pytest.mark.parametrize("case", RECORDS + BETWEEN, ids=lambda case: f"{case[0]}: {case[3]}")
def test_a_broken_rule_is_named_with_file_line_and_key(
    study: Study, export: Export, case: tuple[str, Callable[[Rows], object], str, str]
) -> None:
    table, change, message, _ = case
    folder = export("out")

    rewrite(folder, table, change)

    assert refusal(study, folder)[0] == message


def test_a_bare_nan_is_not_strict_json(study: Study, export: Export) -> None:
    folder = export("out")

    rewrite(folder, "metadata", at(0, "pii_manual_flag", float("nan")))

    # the line is read as far as the constant, which no strict reader takes
    counts = {"survey": 2, "conversations": 1, "utterances": 6, "metadata": 13, "models": 5}
    assert refusal_of_strict(study, folder, counts) == ["metadata.jsonl: line 1: NaN is not JSON"]


def refusal_of_strict(study: Study, folder: Path, counts: dict[str, int]) -> list[str]:
    return [text for text in refusal(study, folder, counts) if text.startswith("metadata")]


def test_a_file_that_lost_rows_after_it_was_written_is_refused(study: Study, export: Export) -> None:
    folder = export("out")
    counts = {table: len(records(folder, table)) for table in TABLES}

    rewrite(folder, "models", lambda rows: rows.pop())

    assert refusal(study, folder, counts) == ["models.jsonl: 4 rows were read back and 5 were written"]


def test_a_parquet_file_that_says_something_else_is_refused(study: Study, export: Export) -> None:
    folder = export("out", writers="jsonl,parquet")
    counts = {table: len(records(folder, table)) for table in TABLES} | {"wide": 2}
    reading, layout = Reading(study, prism_rows.CUT_OFF), layout_named("prism")
    written = written_folder(folder, layout.tables(reading), ("jsonl", "parquet"))
    refuse_broken(layout, reading, written, counts)

    rewrite(folder, "utterances", at(3, "model_response", "Another."))

    with pytest.raises(ReleaseRefusedError) as refused:
        refuse_broken(layout, reading, written, counts)
    assert refused.value.text == "utterances.parquet:4: differs from utterances.jsonl"


def test_identical_texts_may_both_be_chosen_in_imported_data_only(study: Study, export: Export) -> None:
    folder = export("out")
    for table, rows_of in (("conversations", lambda rows: rows[0]["conversation_history"]), ("utterances", list)):
        rewrite(folder, table, lambda rows, rows_of=rows_of: [_same_and_chosen(row) for row in rows_of(rows)])
    refused = refusal(study, folder)

    study.participations.update(imported={"user_id": "user0"})

    assert refused == [
        "conversations.jsonl:1: conversation_history: turn 0 has 4 chosen responses; there must be exactly one",
        "conversations.jsonl:1: conversation_history: turn 1 has 2 chosen responses; there must be exactly one",
    ]
    assert refusal(study, folder) == []


def _same_and_chosen(row: dict[str, Any]) -> None:
    if "if_chosen" in row:
        row["if_chosen"] = True
        row["content" if "content" in row else "model_response"] = "The same."
