"""Fields, writers, schema, codebook and card: what is declared once and used everywhere."""

import csv
import json
from collections import Counter
from pathlib import Path
from typing import Any

import pytest
import yaml

from annotation.exports.codebook import Codebook
from annotation.exports.layouts.base import Outcome, Table
from annotation.exports.layouts.fields import Field, json_schema, problems
from annotation.exports.writers import WRITERS
from annotation.exports.writers.jsonl import line
from annotation.studies.models import Study
from tests.annotation.exports.conftest import Export, records
from tests.factories import prism_rows
from tests.factories.prism_rows import stored

ITEM = Field("item", "struct", fields=(Field("role", "string"), Field("score", "integer", optional=True)))
NESTED = (
    Field("name", "string", "A name."),
    Field("mark", "number", nullable=True, least=0, most=10),
    Field("is_in", "boolean"),
    Field("block", "struct", nullable=True, fields=(Field("a/b", "integer", nullable=True),)),
    Field("items", "list", item=ITEM),
)
RECORDS: list[dict[str, Any]] = [
    {"name": "Ünï\u2028code", "mark": 1.5, "is_in": True, "block": {"a/b": 3}, "items": [{"role": "user"}]},
    {"name": 'a, "b"\nc', "mark": None, "is_in": False, "block": None, "items": [{"role": "m", "score": 4}]},
    {"name": "", "mark": 10, "is_in": False, "block": {"a/b": None}, "items": []},
]
FLAT = NESTED[:3]


@pytest.mark.parametrize("name", ["jsonl", "parquet", "csv"])
def test_a_writer_gives_back_what_it_wrote_and_the_same_bytes_again(tmp_path: Path, name: str) -> None:
    writer, fields = WRITERS[name], FLAT if name == "csv" else NESTED
    rows = [{field.name: record[field.name] for field in fields} for record in RECORDS]
    for copy in ("one", "two"):
        with writer.open(tmp_path / copy, fields) as sink:
            for row in rows:
                sink.write(dict(row))

    assert [record for _, record in writer.read(tmp_path / "one", fields)] == rows
    assert (tmp_path / "one").read_bytes() == (tmp_path / "two").read_bytes()


def test_parquet_holds_more_rows_than_fit_one_group(tmp_path: Path) -> None:
    with WRITERS["parquet"].open(tmp_path / "many", FLAT) as sink:
        for number in range(4_500):
            sink.write({"name": str(number), "mark": None, "is_in": True})

    lines = [
        line for line, record in WRITERS["parquet"].read(tmp_path / "many", FLAT) if record["name"] == str(line - 1)
    ]
    assert lines == list(range(1, 4_501))


def test_json_lines_refuse_to_write_what_is_no_json() -> None:
    with pytest.raises(ValueError, match="not JSON compliant"):
        line({"score": float("nan")})


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ('{"a": NaN}\n', "line 1: NaN is not JSON"),
        ('{"a": -Infinity}\n', "line 1: -Infinity is not JSON"),
        ('{"a": 1, "a": 2}\n', "line 1: a key stands there twice"),
        ('{"a": 1}\n[]\n', "line 2: not an object"),
    ],
)
def test_json_lines_are_read_strictly(tmp_path: Path, text: str, message: str) -> None:
    (tmp_path / "x").write_text(text, encoding="utf-8")

    with pytest.raises(ValueError, match=message):
        list(WRITERS["jsonl"].read(tmp_path / "x", ()))


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"mark": 11}, "mark: 11 is above 10"),
        ({"mark": -1}, "mark: -1 is below 0"),
        ({"mark": True}, "mark: bool instead of number"),
        ({"name": None}, "name: null is not allowed"),
        ({"block": {"a/b": "3"}}, "block.a/b: str instead of integer"),
        ({"block": {}}, "block.a/b: is missing"),
        ({"items": [{"role": "m"}, {"score": 1}]}, "items.1.role: is missing"),
        ({"items": [{"score": 1, "role": "m"}]}, "items.0.score: stands where role must be"),
    ],
)
def test_a_field_says_what_is_wrong(change: dict[str, Any], message: str) -> None:
    assert list(problems(NESTED, RECORDS[0] | change)) == [message]


def test_sound_records_have_no_problems() -> None:
    assert [list(problems(NESTED, record)) for record in RECORDS] == [[], [], []]


def test_the_json_schema_says_the_same() -> None:
    schema = json_schema(NESTED, "things")

    assert schema["required"] == ["name", "mark", "is_in", "block", "items"]
    assert schema["properties"]["mark"] == {"type": ["number", "null"], "minimum": 0, "maximum": 10}
    assert schema["properties"]["items"]["items"]["required"] == ["role"]
    assert schema["properties"]["name"] == {"type": "string", "description": "A name."}


# -- the codebook ------------------------------------------------------------------------------------------------------
def test_the_codebook_counts_what_is_there() -> None:
    table = Table("things", "Things.", NESTED, nested=True)
    codebook, outcome = Codebook((table,)), Outcome()
    outcome.missing["things.mark"]["unanswered"] = 1
    for record in RECORDS:
        codebook.add("things", record)

    rows = {row["column"]: row for row in codebook.rows(outcome)}

    assert list(rows) == ["name", "mark", "is_in", "block.a/b", "items[].role", "items[].score"]
    mark = rows["mark"]
    assert (mark["n"], mark["n_missing"], mark["missing_kinds"], mark["n_unique"]) == (3, 1, {"unanswered": 1}, 2)
    assert (mark["mean"], mark["sd"], mark["min"], mark["max"], mark["allowed"]) == (5.75, 6.0104, 1.5, 10, [0, 10])
    assert (rows["name"]["chars_min"], rows["name"]["chars_max"], rows["name"]["mean"]) == (0, 8, None)
    assert rows["is_in"]["counts"] == {"False": 2, "True": 1}
    assert rows["name"]["counts"] is None
    # a missing block is a missing block and not a row of its keys
    assert (rows["block.a/b"]["n"], rows["block.a/b"]["n_missing"]) == (2, 1)


@pytest.fixture
def folder(db: None, export: Export) -> Path:
    study: Study = prism_rows.prism_study()
    prism_rows.person(study, talks=("unguided",), age=stored(missing="prefer_not_to_say"))
    prism_rows.person(study, lm_frequency_use=stored(missing="not_shown"))
    return export("out", writers="jsonl,csv,parquet")


def test_a_releases_codebook_has_wording_answers_and_kinds_of_gaps_from_the_document(folder: Path) -> None:
    rows = {(row["table"], row["column"]): row for row in json.loads((folder / "codebook.json").read_text("utf-8"))}
    ages = Counter(row["age"] for row in records(folder, "survey"))

    age, frequency = rows["survey", "age"], rows["survey", "lm_frequency_use"]
    assert (age["text"], age["allowed"][0], age["counts"]) == ("How old are you?", "18-24 years old", dict(ages))
    assert age["missing_kinds"] == {"prefer_not_to_say": 1}
    assert (frequency["n_missing"], frequency["missing_kinds"]) == (1, {"not_shown": 1})
    assert rows["survey", "stated_prefs.values"]["text"].endswith("...reflects my values or cultural perspectives")
    assert rows["utterances", "score"]["allowed"] == [1, 100]
    with (folder / "codebook.csv").open(encoding="utf-8", newline="") as file:
        assert [(row["table"], row["column"]) for row in csv.DictReader(file)] == list(rows)


def test_every_record_fits_the_schema_file_of_the_release(folder: Path) -> None:
    schemas = json.loads((folder / "schema.json").read_text("utf-8"))

    assert list(schemas) == ["survey", "conversations", "utterances", "metadata", "models", "wide"]
    for table in ("survey", "conversations", "utterances", "metadata", "models"):
        assert [list(record) for record in records(folder, table)] == [
            schemas[table]["required"] for _ in records(folder, table)
        ]


def test_the_card_has_one_configuration_a_file(folder: Path) -> None:
    front = yaml.safe_load((folder / "README.md").read_text("utf-8").split("---")[1])

    assert front == {
        "language": ["en"],
        "configs": [
            {"config_name": name, "data_files": f"{name}.jsonl"}
            for name in ("survey", "conversations", "utterances", "metadata", "models")
        ]
        + [{"config_name": "wide", "data_files": "wide.csv"}],
    }


def test_the_wide_form_has_one_row_an_interaction_with_letters_by_place(folder: Path) -> None:
    with (folder / "wide.csv").open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    utterances = records(folder, "utterances")

    assert [row["interaction_id"] for row in rows] == list(dict.fromkeys(row["interaction_id"] for row in utterances))
    opening = {row["within_turn_id"]: row for row in utterances if row["interaction_id"] == "int0"}
    for number, letter in enumerate("abcd"):
        assert rows[0][f"model_{letter}"] == opening[number]["model_name"]
        assert rows[0][f"response_{letter}"] == opening[number]["model_response"]
        assert rows[0][f"score_{letter}"] == str(opening[number]["score"])
    assert opening["abcd".index(rows[0]["chosen"])]["if_chosen"] is True
    assert {(row["model_c"], row["score_d"]) for row in rows[1:]} == {("", "")}
