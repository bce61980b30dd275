"""What every export layout fulfils. A layout is one folder or file here and one line in the registry.

A layout turns stored rows into records and knows nothing of files: writers write what it yields, in one pass over the
data, and the validator reads it back."""

from collections import Counter, defaultdict
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any, Protocol

from annotation.exports.layouts.fields import Field, Record
from annotation.exports.layouts.options import Option
from annotation.exports.reading import Reading


@dataclass(frozen=True, slots=True)
class Table:
    """A file of a release: its records' keys in order, and whether a record holds lists or objects, which not every
    file format can write. `formats`: the only ones that it goes out in; empty: all that can hold it."""

    name: str
    text: str
    fields: tuple[Field, ...]
    nested: bool
    formats: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True)
class Problem:
    """What is wrong in a file that was written. `line` counts from 1; 0 is the file as a whole."""

    file: str
    line: int
    text: str

    def __str__(self) -> str:
        return f"{self.file}:{self.line}: {self.text}" if self.line else f"{self.file}: {self.text}"


@dataclass
class Outcome:
    """What a layout reports beside its records: names given to people, counts for the manifest, why answers are missing
    (`table.column` → kind) and how many texts were assessed."""

    people: dict[Any, str] = field(default_factory=dict)
    counts: Counter[str] = field(default_factory=Counter)
    missing: defaultdict[str, Counter[str]] = field(default_factory=lambda: defaultdict(Counter))
    assessed: Counter[str] = field(default_factory=Counter)


class Written(Protocol):
    """A release that was written, read back."""

    def has(self, table: str) -> bool:
        """Whether the release has a file of this table."""

    def file(self, table: str) -> str:
        """The name of the table's file."""

    def rows(self, table: str) -> Iterator[tuple[int, Record]]:
        """The table's records from the start of its file, with their lines."""


class Layout(Protocol):
    """Pure from stored rows to records: the same reading gives the same records."""

    @property
    def name(self) -> str: ...

    @property
    def version(self) -> str: ...

    @property
    def title(self) -> str: ...

    @property
    def options(self) -> tuple[Option, ...]:
        """What can be set; a run freezes every one of them."""

    def tables(self, reading: Reading) -> tuple[Table, ...]:
        """The files, in the order of the manifest."""

    def records(self, reading: Reading, outcome: Outcome) -> Iterator[tuple[str, Record]]:
        """(table name, record), each table's records in their final order; tables may be interleaved."""

    def texts(self, reading: Reading) -> Iterator[str]:
        """Every text that a release assesses."""

    def check(self, reading: Reading, written: Written) -> Iterator[Problem]:
        """Rules between records and files, on what was read back."""
