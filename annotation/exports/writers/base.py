"""What every file format fulfils. A writer is one file here and one line in the registry."""

from collections.abc import Iterator
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Protocol

from annotation.exports.layouts.fields import Field, Record


class Sink(Protocol):
    """An open file that takes records."""

    def write(self, record: Record) -> None: ...


class Writer(Protocol):
    """The same records give the same bytes, and reading gives back what was written."""

    name: str
    suffix: str
    nested: bool
    """Whether a cell can hold lists and objects."""

    def open(self, path: Path, fields: tuple[Field, ...]) -> AbstractContextManager[Sink]:
        """A new file; it is complete when the context ends."""

    def read(self, path: Path, fields: tuple[Field, ...]) -> Iterator[tuple[int, Record]]:
        """(line, record); raises `ValueError` with the line where the file cannot be read."""
