"""The codebook of a release: what every column is, and what is in it. Counted while the records are written."""

import csv
import io
import json
import math
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from annotation.exports.layouts.base import Outcome, Table
from annotation.exports.layouts.fields import Field, Record, flat

MOST_COUNTED = 40
MOST_UNIQUE = 100_000
MOST_CHARS_OF_A_CATEGORY = 80
EMPTY = "EMPTY STRING"


@dataclass
class ColumnFacts:
    """Running figures of one column. Memory has a bound: beyond it a figure is null, never wrong."""

    n: int = 0
    missing: int = 0
    empty: int = 0
    unique: set[int] | None = field(default_factory=set)
    counts: Counter[Any] | None = field(default_factory=Counter)
    numbers: int = 0
    mean: float = 0.0
    squares: float = 0.0
    least: float | None = None
    most: float | None = None

    def add(self, value: Any) -> None:
        self.n += 1
        if value is None:
            self.missing += 1
            return
        self.empty += value == EMPTY
        self._count(value)
        if isinstance(value, str):
            self._number(len(value))
        elif not isinstance(value, bool):
            self._number(value)

    def _count(self, value: Any) -> None:
        if self.unique is not None:
            self.unique.add(hash(value))
            if len(self.unique) > MOST_UNIQUE:
                self.unique = None
        if self.counts is not None:
            self.counts[value] += 1
            if len(self.counts) > MOST_COUNTED:
                self.counts = None

    def _number(self, value: float) -> None:
        """Welford's running mean and sum of squares."""
        self.numbers += 1
        step = value - self.mean
        self.mean += step / self.numbers
        self.squares += step * (value - self.mean)
        self.least = value if self.least is None else min(self.least, value)
        self.most = value if self.most is None else max(self.most, value)


@dataclass
class Codebook:
    """Takes every record of a release and tells its columns."""

    tables: tuple[Table, ...]
    facts: dict[str, dict[str, ColumnFacts]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.facts = {table.name: {path: ColumnFacts() for path, _ in flat(table.fields)} for table in self.tables}

    def add(self, table: str, record: Record) -> None:
        _add(self.facts[table], record, "")

    def rows(self, outcome: Outcome) -> Iterator[Record]:
        for table in self.tables:
            for path, column in flat(table.fields):
                yield _row(table, path, column, self.facts[table.name][path], outcome.missing)


def _add(facts: Mapping[str, ColumnFacts], record: Mapping[str, Any], prefix: str) -> None:
    for key, value in record.items():
        path = f"{prefix}{key}"
        if isinstance(value, dict):
            _add(facts, value, f"{path}.")
        elif isinstance(value, list):
            _add_parts(facts, value, path)
        elif path in facts:
            facts[path].add(value)


def _add_parts(facts: Mapping[str, ColumnFacts], parts: Sequence[Any], path: str) -> None:
    """A list of plain values is one column, each value counting for itself."""
    for part in parts:
        if isinstance(part, dict):
            _add(facts, part, f"{path}[].")
        elif isinstance(part, list):
            _add_parts(facts, part, path)
        elif path in facts:
            facts[path].add(part)


def _row(table: Table, path: str, column: Field, facts: ColumnFacts, missing: Mapping[str, Counter[str]]) -> Record:
    is_text = _leaf(column).kind == "string"
    figures = _figures(facts)
    limits = [column.least, column.most] if column.least is not None or column.most is not None else None
    return {
        "table": table.name,
        "column": path,
        "type": column.kind,
        "text": column.text,
        "allowed": list(column.allowed) or limits,
        "nullable": column.nullable,
        "n": facts.n,
        "n_missing": facts.missing,
        "missing_kinds": dict(sorted(missing.get(f"{table.name}.{path}", {}).items())),
        "n_empty": facts.empty,
        "n_unique": None if facts.unique is None else len(facts.unique),
        "counts": _ranked(facts.counts) if _is_category(column, facts) else None,
        **(dict.fromkeys(figures) if is_text else figures),
        **{f"chars_{name}": value if is_text else None for name, value in figures.items()},
    }


def _leaf(column: Field) -> Field:
    """What a list is made of, for a list."""
    while column.kind == "list" and column.item is not None:
        column = column.item
    return column


def _is_category(column: Field, facts: ColumnFacts) -> bool:
    """Whether values are worth listing: not ids, and not what people wrote."""
    column = _leaf(column)
    if column.kind != "string" or column.allowed:
        return True
    repeats = facts.counts is not None and facts.n - facts.missing >= 2 * len(facts.counts)
    return repeats and not column.pattern and (facts.most or 0) <= MOST_CHARS_OF_A_CATEGORY


def _figures(facts: ColumnFacts) -> dict[str, float | None]:
    if not facts.numbers:
        return {"mean": None, "sd": None, "min": None, "max": None}
    sd = math.sqrt(facts.squares / (facts.numbers - 1)) if facts.numbers > 1 else None
    return {
        "mean": round(facts.mean, 4),
        "sd": None if sd is None else round(sd, 4),
        "min": facts.least,
        "max": facts.most,
    }


def _ranked(counts: Counter[Any] | None) -> dict[str, int] | None:
    if counts is None:
        return None
    return {str(value): count for value, count in sorted(counts.items(), key=lambda pair: (-pair[1], str(pair[0])))}


# -- files --------------------------------------------------------------------------------
def as_json(rows: list[Record]) -> str:
    return json.dumps(rows, ensure_ascii=False, allow_nan=False, indent=1) + "\n"


def as_csv(rows: list[Record]) -> str:
    file = io.StringIO()
    writer = csv.writer(file, lineterminator="\n")
    writer.writerow(list(rows[0]))
    for row in rows:
        writer.writerow([json.dumps(v, ensure_ascii=False) if isinstance(v, dict | list) else v for v in row.values()])
    return file.getvalue()


def as_markdown(rows: list[Record], tables: tuple[Table, ...]) -> str:
    parts = ["# Codebook", "", "Generated from the data and from the study's document.", ""]
    for table in tables:
        parts += [f"## {table.name}", "", table.text, "", _HEAD, _LINE]
        parts += [_line(row) for row in rows if row["table"] == table.name]
        parts.append("")
    return "\n".join(parts)


_HEAD = "| column | type | what it is | N | missing | unique | values |"
_LINE = "| --- | --- | --- | --- | --- | --- | --- |"


def _line(row: Record) -> str:
    missing = str(row["n_missing"])
    if row["missing_kinds"]:
        missing += " (" + ", ".join(f"{kind} {n}" for kind, n in row["missing_kinds"].items()) + ")"
    values = "; ".join(f"{value} {n}" for value, n in (row["counts"] or {}).items()) or _spread(row)
    cells = (row["column"], row["type"], row["text"], row["n"], missing, row["n_unique"], values)
    return "| " + " | ".join(_cell(cell) for cell in cells) + " |"


def _spread(row: Record) -> str:
    prefix, unit = ("chars_", " characters") if row["type"] == "string" else ("", "")
    if row[f"{prefix}mean"] is None:
        return ""
    return f"{row[f'{prefix}min']:g} to {row[f'{prefix}max']:g}{unit}, mean {row[f'{prefix}mean']:g}"


def _cell(value: Any) -> str:
    text = "over 100,000" if value is None else str(value)
    return " ".join(text.replace("\\", "\\\\").replace("|", "\\|").split())
