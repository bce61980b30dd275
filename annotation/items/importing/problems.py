"""What is wrong with a file, by line and column."""

from dataclasses import asdict, dataclass
from typing import Any

from annotation.common.errors import DomainError

# a file with more mistakes than this is wrong as a whole; the rest is only counted
MOST_LISTED = 500


@dataclass(frozen=True, slots=True)
class Problem:
    """A mistake in one place. `line` counts lines of text files and rows of tables, both from 1; 0 means the whole
    file. `text` says what is wrong and what is allowed."""

    line: int
    column: str
    text: str
    file: str = ""

    def as_dict(self) -> dict[str, Any]:
        return asdict(self)

    def __str__(self) -> str:
        place = ", ".join(part for part in (self.file, f"line {self.line}" if self.line else "", self.column) if part)
        return f"{place}: {self.text}" if place else self.text


class UnreadableError(DomainError):
    """The file as a whole cannot be read."""

    status = 422


class BadValueError(ValueError):
    """A value that does not fit what its column is used for; the message says what is allowed."""
