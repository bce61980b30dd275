"""Files come out as rows, or as what is wrong with them."""

import json
from datetime import date
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from annotation.items.importing import sources
from annotation.items.importing.problems import Problem, UnreadableError
from annotation.items.importing.reading import READERS, Row, format_of
from annotation.items.importing.sources import open_source
from tests.factories.item_files import jsonl, zipped

ROWS = [{"prompt": "Hi", "n": 1}, {"prompt": 'Grüß Gott, "you"\nthere', "n": None}]


def read(path: Path) -> list[Row | Problem]:
    return list(READERS[format_of(path)](path))


def values(path: Path) -> list[dict[str, Any]]:
    return [row.values for row in open_source(path).rows() if isinstance(row, Row)]


# -- formats -----------------------------------------------------------------------------------------------------------
def test_lines_of_json_are_rows_and_empty_lines_are_none(tmp_path: Path) -> None:
    path = tmp_path / "a.txt"
    path.write_bytes(b'\xef\xbb\xbf{"a": 1}\n\n{"a": "\xc3\xa9"}')
    assert read(path) == [Row(1, {"a": 1}), Row(3, {"a": "é"})]


@pytest.mark.parametrize(
    ("line", "wrong"),
    [
        (b'{"a": 1', "this is not readable as JSON: Expecting ',' delimiter at character 8"),
        (b'{"a": NaN}', "this is not readable as JSON: NaN is not allowed"),
        (b'["a"]', "each line is one JSON object, {…}"),
        (b'{"a": "\xff"}', "this is not UTF-8 text"),
        (b'{"a": ' + b"[" * 100_000 + b"]" * 100_000 + b"}", "too many levels inside each other"),
    ],
)
def test_a_line_that_is_no_json_object_is_named_and_the_others_are_read(
    tmp_path: Path, line: bytes, wrong: str
) -> None:
    path = tmp_path / "a.jsonl"
    path.write_bytes(b'{"a": 1}\n' + line + b'\n{"a": 3}\n')
    assert read(path) == [Row(1, {"a": 1}), Problem(2, "", wrong), Row(3, {"a": 3})]


@pytest.mark.parametrize("delimiter", [",", ";", "\t"])
def test_csv_is_read_with_quotes_line_ends_inside_fields_and_any_usual_delimiter(
    tmp_path: Path, delimiter: str
) -> None:
    path = tmp_path / "a.csv"
    lines = [["id", "text"], ["1", '"two\r\nlines ""quoted"""'], ["2", ""]]
    path.write_bytes("\r\n".join(delimiter.join(line) for line in lines).encode("utf-8-sig"))
    assert read(path) == [Row(2, {"id": "1", "text": 'two\r\nlines "quoted"'}), Row(4, {"id": "2", "text": None})]


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        (b"a,a\n1,2\n", Problem(1, "", "the column a stands twice")),
        (b"a,\n1,2\n", Problem(1, "", "the first line has to name every column")),
        (b"a,b\n1,2,3\n", Problem(2, "", "3 fields, and there are 2 columns")),
        (
            b'a,b\n1,"x',
            Problem(2, "", "this is not readable as CSV: unexpected end of data; nothing after it was read"),
        ),
        (b"a,b\n\xff,1\n", Problem(1, "", "from here on this is not UTF-8 text; nothing after it was read")),
    ],
)
def test_what_is_wrong_with_a_csv_file_is_said_with_its_line(tmp_path: Path, text: bytes, problem: Problem) -> None:
    path = tmp_path / "a.csv"
    path.write_bytes(text)
    assert read(path) == [problem]


def test_a_parquet_file_gives_json_values_and_bytes_for_media(tmp_path: Path) -> None:
    rows = [{"d": date(2024, 5, 1), "x": float("nan"), "l": [{"k": 1}], "b": b"\x89"}]
    pq.write_table(pa.Table.from_pylist(rows), tmp_path / "a")
    assert read(tmp_path / "a") == [Row(1, {"d": "2024-05-01", "x": None, "l": [{"k": 1}], "b": b"\x89"})]


def test_a_damaged_parquet_file_is_a_problem_and_no_crash(tmp_path: Path) -> None:
    pq.write_table(pa.Table.from_pylist(ROWS), tmp_path / "a")
    whole = (tmp_path / "a").read_bytes()
    (tmp_path / "a").write_bytes(whole[:40] + b"\0" * 40 + whole[80:-8] + b"\0" * 8)
    assert [type(row) for row in read(tmp_path / "a")] == [Problem]


@pytest.mark.parametrize("footed", [False, True])
def test_arrow_files_are_read_in_both_of_their_forms(tmp_path: Path, footed: bool) -> None:
    table = pa.Table.from_pylist(ROWS)
    make = pa.ipc.new_file if footed else pa.ipc.new_stream
    with make(str(tmp_path / "a"), table.schema) as out:
        out.write_table(table, max_chunksize=1)
    assert [row.values for row in read(tmp_path / "a") if isinstance(row, Row)] == ROWS


@pytest.mark.parametrize(
    ("content", "says"),
    [
        (b"", "The file is empty."),
        (b"  [{}]", "The file is one JSON list. Write one JSON object a line (JSON Lines) instead."),
        (b"\x1f\x8b\x08", "The file is compressed with gzip. Unpack it, or send it as a zip archive."),
        (b"\x7fELF\0\0", "This is no kind of file that can be read; allowed are JSON Lines, CSV, Parquet, Arrow, zip."),
    ],
)
def test_files_that_cannot_be_read_at_all_are_refused_with_the_reason(
    tmp_path: Path, content: bytes, says: str
) -> None:
    (tmp_path / "a").write_bytes(content)
    with pytest.raises(UnreadableError) as refused:
        open_source(tmp_path / "a")
    assert refused.value.text == says


# -- folders -----------------------------------------------------------------------------------------------------------
def test_a_dataset_folder_is_read_as_its_readme_says(tmp_path: Path) -> None:
    (tmp_path / "data").mkdir()
    jsonl(tmp_path / "data" / "a-train.jsonl", [{"n": 1}])
    jsonl(tmp_path / "data" / "b-test.jsonl", [{"n": 2}])
    jsonl(tmp_path / "data" / "other.jsonl", [{"n": 3}])
    front = "configs:\n- config_name: other\n  data_files: data/other.jsonl\n- config_name: main\n  default: true\n"
    front += "  data_files:\n  - {split: train, path: data/a-*.jsonl}\n  - {split: test, path: data/b-*.jsonl}\n"
    (tmp_path / "README.md").write_text(f"---\n{front}---\n# Data\n")
    assert values(tmp_path) == [{"n": 1, "split": "train"}, {"n": 2, "split": "test"}]


def test_a_dataset_folder_without_words_about_it_is_its_data_folder(tmp_path: Path) -> None:
    (tmp_path / "data").mkdir()
    for split, number in (("train", 1), ("test", 2)):
        pq.write_table(pa.Table.from_pylist([{"n": number}]), tmp_path / "data" / f"{split}-00000-of-00001.parquet")
    assert values(tmp_path) == [{"n": 2, "split": "test"}, {"n": 1, "split": "train"}]


def test_what_save_to_disk_wrote_is_read_split_by_split(tmp_path: Path) -> None:
    for split, number in (("train", 1), ("test", 2)):
        (tmp_path / split).mkdir()
        table = pa.Table.from_pylist([{"n": number}])
        with pa.ipc.new_stream(str(tmp_path / split / "data-00000-of-00001.arrow"), table.schema) as out:
            out.write_table(table)
        state = {"_data_files": [{"filename": "data-00000-of-00001.arrow"}]}
        (tmp_path / split / "state.json").write_text(json.dumps(state))
        (tmp_path / split / "dataset_info.json").write_text("{}")
    (tmp_path / "dataset_dict.json").write_text('{"splits": ["train", "test"]}')
    assert values(tmp_path) == [{"n": 1, "split": "train"}, {"n": 2, "split": "test"}]


def test_rows_of_several_files_say_which_they_come_from(tmp_path: Path) -> None:
    for name in ("a", "b"):
        jsonl(tmp_path / f"{name}.jsonl", [{"n": 1}])
    assert [row.file for row in open_source(tmp_path).rows()] == ["a.jsonl", "b.jsonl"]


# -- archives ----------------------------------------------------------------------------------------------------------
def test_an_archive_is_unpacked_and_read_like_the_folder_in_it(tmp_path: Path) -> None:
    archive = zipped(tmp_path / "a.zip", {"set/rows.jsonl": b'{"n": 1}\n', "__MACOSX/set/rows.jsonl": b"x"})
    source = open_source(archive, unpack_into=tmp_path / "out")
    assert [row.values for row in source.rows() if isinstance(row, Row)] == [{"n": 1}]


@pytest.mark.parametrize("name", ["../out.jsonl", "/etc/rows.jsonl", "a/../../b.jsonl", "..\\b.jsonl"])
def test_an_archive_that_leads_out_of_its_folder_is_refused(tmp_path: Path, name: str) -> None:
    archive = zipped(tmp_path / "a.zip", {name: b"{}"})
    with pytest.raises(UnreadableError) as refused:
        open_source(archive, unpack_into=tmp_path / "in" / "out")
    assert refused.value.text.endswith("which leads out of it.")
    assert list(tmp_path.rglob("*.jsonl")) == []


def test_an_archive_that_would_flood_the_disk_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    archive = zipped(tmp_path / "a.zip", {"rows.jsonl": b" " * 2_000_000})
    monkeypatch.setattr(sources, "MOST_EXPANSION", 1)
    with pytest.raises(UnreadableError) as refused:
        open_source(archive, unpack_into=tmp_path / "out")
    assert refused.value.text == "The archive would unpack to 2,000,000 bytes, which is not allowed."
    assert list(tmp_path.rglob("*.jsonl")) == []


# -- anything ----------------------------------------------------------------------------------------------------------
HEADS = st.sampled_from([b"", b"PAR1", b"ARROW1\0\0", b"\xff\xff\xff\xff", b"PK\x03\x04", b'{"a":', b"a,b\n", b"---\n"])


@settings(max_examples=150, deadline=None)
@given(head=HEADS, body=st.binary(max_size=300))
def test_whatever_the_bytes_are_a_file_gives_rows_problems_or_one_clear_refusal(
    tmp_path_factory: pytest.TempPathFactory, head: bytes, body: bytes
) -> None:
    folder = tmp_path_factory.mktemp("any")
    (folder / "a").write_bytes(head + body)
    try:
        found = list(open_source(folder / "a", unpack_into=folder / "out").rows())
    except UnreadableError:
        return
    assert {type(row) for row in found} <= {Row, Problem}
