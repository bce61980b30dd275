"""Reads back what was written, and says what is wrong with it. A release with a problem is never published."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import islice, zip_longest
from pathlib import Path

from annotation.common.errors import DomainError
from annotation.exports.layouts.base import Layout, Problem, Table
from annotation.exports.layouts.fields import Record, problems, without_absent
from annotation.exports.reading import Reading
from annotation.exports.writers import WRITERS, can_hold, writer_named

MOST_PROBLEMS = 50


class ReleaseRefusedError(DomainError):
    """What was written breaks the layout's rules. `problems` name file, line and key."""

    status = 422

    def __init__(self, found: Sequence[Problem]) -> None:
        super().__init__("\n".join(str(problem) for problem in found))
        self.problems = list(found)


@dataclass(frozen=True)
class WrittenFolder:
    """The files of a release in a folder."""

    folder: Path
    by_name: Mapping[str, Table]
    formats: Mapping[str, tuple[str, ...]]
    """Table → the writers that wrote it, the preferred one first."""

    def has(self, table: str) -> bool:
        return bool(self.formats.get(table))

    def file(self, table: str, writer: str = "") -> str:
        return table + writer_named(writer or self.formats[table][0]).suffix

    def rows(self, table: str, writer: str = "") -> Iterator[tuple[int, Record]]:
        name = writer or self.formats[table][0]
        return writer_named(name).read(self.folder / self.file(table, name), self.by_name[table].fields)


def written_folder(folder: Path, tables: Sequence[Table], writers: Sequence[str]) -> WrittenFolder:
    formats = {
        table.name: tuple(name for name in WRITERS if name in writers and can_hold(name, table)) for table in tables
    }
    return WrittenFolder(folder, {table.name: table for table in tables}, formats)


def refuse_broken(layout: Layout, reading: Reading, written: WrittenFolder, counts: Mapping[str, int]) -> None:
    """Raise `ReleaseRefusedError` with the first problems, if there are any.

    The rules between records run only where every record for itself is in order, because they read its keys."""
    found = list(islice(_record_problems(written, counts), MOST_PROBLEMS))
    if not found:
        found = list(islice(layout.check(reading, written), MOST_PROBLEMS))
    if found:
        raise ReleaseRefusedError(found)


def _record_problems(written: WrittenFolder, counts: Mapping[str, int]) -> Iterator[Problem]:
    for table in written.by_name:
        for writer in written.formats[table]:
            yield from _file_problems(written, table, writer, counts[table])


def _file_problems(written: WrittenFolder, table: str, writer: str, count: int) -> Iterator[Problem]:
    """Strict reading, keys and types, the count, and the same rows as in the preferred format."""
    file, first = written.file(table, writer), written.formats[table][0]
    line = read = 0
    try:
        others = written.rows(table) if writer != first else iter(())
        for (line, record), other in zip_longest(written.rows(table, writer), others, fillvalue=(0, None)):
            if record is None:
                break
            read += 1
            for text in problems(written.by_name[table].fields, record):
                yield Problem(file, line, text)
            if writer != first and not _same(written.by_name[table], record, other[1]):
                yield Problem(file, line, f"differs from {written.file(table)}")
    except ValueError as error:
        yield Problem(file, 0, str(error))
        return
    if read != count:
        yield Problem(file, 0, f"{read} rows were read back and {count} were written")


def _same(table: Table, record: Record, other: Record | None) -> bool:
    return other is not None and without_absent(table.fields, record) == without_absent(table.fields, other)
