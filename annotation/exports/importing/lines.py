"""Reads JSON Lines that others wrote: a bare NaN counts as null, every error names file, line and key."""

import json
import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from annotation.common.errors import DomainError


class ImportRefusedError(DomainError):
    """A file that cannot be taken. Nothing of it was imported."""

    status = 422


@dataclass(frozen=True, slots=True)
class Line:
    """One record, and where it stands."""

    file: str
    number: int
    record: dict[str, Any]

    def error(self, text: str) -> ImportRefusedError:
        return ImportRefusedError(f"{self.file}:{self.number}: {text}")

    def require(self, keys: Sequence[str]) -> None:
        missing = [key for key in keys if key not in self.record]
        surplus = [key for key in self.record if key not in keys]
        if missing:
            raise self.error(f"{missing[0]}: is missing")
        if surplus:
            raise self.error(f"{surplus[0]}: is not a key of this file")

    def text(self, key: str) -> str:
        value = self.record[key]
        if not isinstance(value, str):
            raise self.error(f"{key}: {value!r} is no text")
        return value

    def optional_text(self, key: str) -> str | None:
        return None if self.record[key] is None else self.text(key)

    def name(self, key: str, prefix: str) -> str:
        """A pseudonym such as c17."""
        value = self.text(key)
        if not (value.startswith(prefix) and value[len(prefix) :].isdigit()):
            raise self.error(f"{key}: {value!r} is not {prefix} and a number")
        return value

    def truth(self, key: str) -> bool | None:
        value = self.record[key]
        if value is not None and not isinstance(value, bool):
            raise self.error(f"{key}: {value!r} is neither true nor false")
        return value

    def number_at(self, key: str) -> float | None:
        return self.as_number(self.record[key], key)

    def as_number(self, value: Any, key: str) -> float | None:
        if value is not None and (isinstance(value, bool) or not isinstance(value, int | float)):
            raise self.error(f"{key}: {value!r} is no number")
        return value

    def whole(self, value: Any, key: str) -> int | None:
        """A whole number, also where it is written as 95.0."""
        number = self.as_number(value, key)
        if number is None:
            return None
        if number != int(number):
            raise self.error(f"{key}: {number} is no whole number")
        return int(number)

    def time(self, key: str) -> datetime:
        """Datetimes carry no zone; they are UTC."""
        try:
            return datetime.strptime(self.text(key), "%Y-%m-%d %H:%M:%S").replace(tzinfo=UTC)
        except ValueError as error:
            raise self.error(f"{key}: {self.record[key]!r} is not YYYY-MM-DD HH:MM:SS") from error

    def block(self, key: str, keys: Sequence[str]) -> dict[str, Any]:
        """A dictionary with exactly these keys, in their order; null counts as a dictionary of nulls."""
        value = self.record[key]
        if value is None:
            return dict.fromkeys(keys)
        if not isinstance(value, dict):
            raise self.error(f"{key}: is no dictionary")
        wrong = sorted(set(value) ^ set(keys))
        if wrong:
            raise self.error(f"{key}: {wrong[0]} is {'missing' if wrong[0] in keys else 'not one of its keys'}")
        return {part: value[part] for part in keys}


def read_lines(path: Path) -> Iterator[Line]:
    if not path.is_file():
        raise ImportRefusedError(f"{path.name}: is not there")
    try:
        with path.open(encoding="utf-8", newline="\n") as file:
            for number, text in enumerate(file, start=1):
                if text.strip():
                    yield Line(path.name, number, _record(path.name, number, text))
    except UnicodeDecodeError as error:
        raise ImportRefusedError(f"{path.name}: is not UTF-8") from error


def _record(file: str, number: int, text: str) -> dict[str, Any]:
    try:
        record = json.loads(text)
    except ValueError as error:
        raise ImportRefusedError(f"{file}:{number}: is not JSON: {error}") from error
    if not isinstance(record, dict):
        raise ImportRefusedError(f"{file}:{number}: is not an object")
    if "\\u0000" in text:
        raise ImportRefusedError(f"{file}:{number}: has a NUL character, which no text may have")
    return {key: without_nan(value) for key, value in record.items()}


def without_nan(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: without_nan(part) for key, part in value.items()}
    if isinstance(value, list):
        return [without_nan(part) for part in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value
