"""Readers: one file in, its rows out, one after another, so that memory does not grow with the file. A row that cannot
be read comes out as a `Problem` in its place."""

import csv
import json
import math
from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from annotation.items.importing.problems import Problem, UnreadableError

MOST_LINE_BYTES = 20_000_000
ROWS_AT_ONCE = 256
DELIMITERS = (",", "\t", ";")
ARROW_FAULTS = (pa.ArrowException, OSError, ValueError, OverflowError, TypeError, KeyError)
csv.field_size_limit(MOST_LINE_BYTES)


@dataclass(frozen=True, slots=True)
class Row:
    """One row as it stands in the file: column → plain value (bytes only where the file holds a medium)."""

    line: int
    values: dict[str, Any]
    file: str = ""


def read_jsonl(path: Path) -> Iterator[Row | Problem]:
    """One JSON object a line; empty lines are passed over."""
    with path.open("rb") as opened:
        number = 0
        while line := opened.readline(MOST_LINE_BYTES + 1):
            number += 1
            if len(line) > MOST_LINE_BYTES:
                yield Problem(
                    number, "", f"the line is longer than {MOST_LINE_BYTES:,} bytes; nothing after it was read"
                )
                return
            if number == 1:
                line = line.removeprefix(b"\xef\xbb\xbf")
            if line.strip():
                yield _json_row(line.rstrip(), number)


def _json_row(line: bytes, number: int) -> Row | Problem:
    try:
        value = json.loads(line.decode(), parse_constant=_no_constant)
    except UnicodeDecodeError:
        return Problem(number, "", "this is not UTF-8 text")
    except RecursionError:
        return Problem(number, "", "too many levels inside each other")
    except json.JSONDecodeError as error:
        return Problem(number, "", f"this is not readable as JSON: {error.msg} at character {error.colno}")
    except ValueError as error:
        return Problem(number, "", f"this is not readable as JSON: {error}")
    if not isinstance(value, dict):
        return Problem(number, "", "each line is one JSON object, {…}")
    return Row(number, value)


def _no_constant(word: str) -> Any:
    raise ValueError(f"{word} is not allowed")


def read_csv(path: Path) -> Iterator[Row | Problem]:
    """Comma, semicolon or tab between fields, quotes around fields that hold them; the first line names the columns. An
    empty field is nothing."""
    with path.open(encoding="utf-8-sig", newline="") as opened:
        # a record may span lines; it has the number of its first
        number = 1
        try:
            head = opened.readline(MOST_LINE_BYTES)
            delimiter = max(DELIMITERS, key=head.count)
            opened.seek(0)
            rows = csv.reader(opened, delimiter=delimiter, strict=True)
            columns = next(rows, [])
            if fault := _bad_columns(columns):
                yield Problem(1, "", fault)
                return
            while True:
                number = rows.line_num + 1
                fields = next(rows, None)
                if fields is None:
                    return
                if fields:
                    yield _csv_row(columns, fields, number)
        except csv.Error as error:
            yield Problem(number, "", f"this is not readable as CSV: {error}; nothing after it was read")
        except UnicodeDecodeError:
            yield Problem(number, "", "from here on this is not UTF-8 text; nothing after it was read")


def _bad_columns(columns: list[str]) -> str:
    if not columns or not all(name.strip() for name in columns):
        return "the first line has to name every column"
    twice = sorted({name for name in columns if columns.count(name) > 1})
    return f"the column {twice[0]} stands twice" if twice else ""


def _csv_row(columns: list[str], fields: list[str], number: int) -> Row | Problem:
    if len(fields) != len(columns):
        return Problem(number, "", f"{len(fields)} fields, and there are {len(columns)} columns")
    return Row(number, {name: field or None for name, field in zip(columns, fields, strict=True)})


def read_parquet(path: Path) -> Iterator[Row | Problem]:
    """The rows of a Parquet file, some hundred at a time."""

    def batches() -> Iterator[pa.RecordBatch]:
        with pq.ParquetFile(path) as table:
            yield from table.iter_batches(batch_size=ROWS_AT_ONCE)

    return _table_rows(batches())


def read_arrow(path: Path) -> Iterator[Row | Problem]:
    """The rows of an Arrow file, streamed or with a footer, as `datasets` saves them."""

    def batches() -> Iterator[pa.RecordBatch]:
        with pa.OSFile(str(path)) as opened:
            footed = opened.read(6) == b"ARROW1"
            opened.seek(0)
            if footed:
                with pa.ipc.open_file(opened) as file:
                    yield from (file.get_batch(number) for number in range(file.num_record_batches))
            else:
                with pa.ipc.open_stream(opened) as stream:
                    yield from stream

    return _table_rows(batches())


def _table_rows(batches: Iterator[Any]) -> Iterator[Row | Problem]:
    number = 0
    with closing(batches):  # type: ignore[type-var]  # both are generators
        try:
            for batch in batches:
                for start in range(0, batch.num_rows, ROWS_AT_ONCE):
                    for values in batch.slice(start, ROWS_AT_ONCE).to_pylist():
                        number += 1
                        yield Row(number, plain(values))
        except ARROW_FAULTS as error:
            yield Problem(number + 1, "", f"this table is not readable here: {_first_line(error)}")


def _first_line(error: BaseException) -> str:
    return (str(error).splitlines() or [type(error).__name__])[0][:300]


def plain(value: Any) -> Any:
    """What a table holds, as JSON would have it; bytes stay bytes."""
    if isinstance(value, dict):
        return {str(key): plain(part) for key, part in value.items()}
    if isinstance(value, list | tuple):
        return [plain(part) for part in value]
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if isinstance(value, datetime | date | time):
        return value.isoformat()
    if isinstance(value, Decimal):
        return str(value)
    if isinstance(value, timedelta):
        return value.total_seconds()
    return value if value is None or isinstance(value, str | int | bytes) else str(value)


READERS: dict[str, Callable[[Path], Iterator[Row | Problem]]] = {
    "jsonl": read_jsonl,
    "csv": read_csv,
    "parquet": read_parquet,
    "arrow": read_arrow,
}


def format_of(path: Path) -> str:
    """Which reader fits, told by the first bytes and not by the name."""
    with path.open("rb") as opened:
        head = opened.read(4096)
    if head.startswith(b"PAR1"):
        return "parquet"
    if head.startswith((b"ARROW1", b"\xff\xff\xff\xff")):
        return "arrow"
    if head.startswith(b"PK\x03\x04"):
        return "zip"
    if head.startswith(b"\x1f\x8b"):
        raise UnreadableError("The file is compressed with gzip. Unpack it, or send it as a zip archive.")
    text = head.removeprefix(b"\xef\xbb\xbf").lstrip()
    if not text:
        raise UnreadableError("The file is empty.")
    if text.startswith(b"["):
        raise UnreadableError("The file is one JSON list. Write one JSON object a line (JSON Lines) instead.")
    if b"\0" in head:
        raise UnreadableError(
            "This is no kind of file that can be read; allowed are JSON Lines, CSV, Parquet, Arrow, zip."
        )
    return "jsonl" if text.startswith(b"{") else "csv"
