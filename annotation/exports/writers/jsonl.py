"""JSON Lines: one strict JSON object a line, UTF-8, no NaN."""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NoReturn, TextIO

from annotation.exports.layouts.fields import Field, Record


@dataclass
class _Lines:
    file: TextIO

    def write(self, record: Record) -> None:
        self.file.write(line(record) + "\n")


def line(record: Record) -> str:
    return json.dumps(record, ensure_ascii=False, allow_nan=False, separators=(",", ":"))


class JSONLines:
    name = "jsonl"
    suffix = ".jsonl"
    nested = True

    @contextmanager
    def open(self, path: Path, fields: tuple[Field, ...]) -> Iterator[_Lines]:
        with path.open("x", encoding="utf-8", newline="\n") as file:
            yield _Lines(file)

    def read(self, path: Path, fields: tuple[Field, ...]) -> Iterator[tuple[int, Record]]:
        # newline="\n": a text may hold other line ends, which do not end a record
        with path.open(encoding="utf-8", newline="\n") as file:
            for number, text in enumerate(file, start=1):
                yield number, _strict(text, number)


def _strict(text: str, number: int) -> Record:
    try:
        record = json.loads(text, parse_constant=_refuse, object_pairs_hook=_once)
    except ValueError as error:
        raise ValueError(f"line {number}: {error}") from error
    if not isinstance(record, dict):
        raise ValueError(f"line {number}: not an object")  # noqa: TRY004 - what a reader raises is a ValueError
    return record


def _refuse(constant: str) -> NoReturn:
    raise ValueError(f"{constant} is not JSON")


def _once(pairs: list[tuple[str, Any]]) -> Record:
    record = dict(pairs)
    if len(record) != len(pairs):
        raise ValueError("a key stands there twice")
    return record
