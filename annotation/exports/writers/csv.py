"""CSV for flat tables: comma, double quotes, line feed; null is an empty cell, true and false in lower case."""

import csv
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from annotation.exports.layouts.fields import Field, Record

_WORDS = {True: "true", False: "false"}


@dataclass
class _Rows:
    rows: Any

    def write(self, record: Record) -> None:
        self.rows.writerow([_cell(value) for value in record.values()])


def _cell(value: Any) -> Any:
    return _WORDS[value] if isinstance(value, bool) else value


class CSV:
    name = "csv"
    suffix = ".csv"
    nested = False

    @contextmanager
    def open(self, path: Path, fields: tuple[Field, ...]) -> Iterator[_Rows]:
        with path.open("x", encoding="utf-8", newline="") as file:
            rows = csv.writer(file, lineterminator="\n")
            rows.writerow([field.name for field in fields])
            yield _Rows(rows)

    def read(self, path: Path, fields: tuple[Field, ...]) -> Iterator[tuple[int, Record]]:
        csv.field_size_limit(2**31 - 1)
        with path.open(encoding="utf-8", newline="") as file:
            rows = csv.reader(file, strict=True)
            header = next(rows, [])
            if header != [field.name for field in fields]:
                raise ValueError(f"line 1: the columns are {', '.join(header)}")
            for number, cells in enumerate(rows, start=2):
                if len(cells) != len(fields):
                    raise ValueError(f"line {number}: {len(cells)} cells in {len(fields)} columns")
                yield number, {field.name: _value(field, cell) for field, cell in zip(fields, cells, strict=True)}


def _value(field: Field, cell: str) -> Any:
    if not cell and field.nullable:
        return None
    match field.kind:
        case "integer":
            return int(cell)
        case "number":
            return float(cell)
        case "boolean":
            return {"true": True, "false": False}[cell]
        case _:
            return cell
