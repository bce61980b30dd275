"""The registry of file formats: one line each. Rules between records read the first of them that a table is in."""

from annotation.common.errors import DomainError
from annotation.exports.layouts.base import Table
from annotation.exports.writers.base import Writer
from annotation.exports.writers.csv import CSV
from annotation.exports.writers.jsonl import JSONLines
from annotation.exports.writers.parquet import Parquet

WRITERS: dict[str, Writer] = {writer.name: writer for writer in (JSONLines(), CSV(), Parquet())}


def writer_named(name: str) -> Writer:
    if name not in WRITERS:
        raise DomainError(f"There is no writer {name}; there are {', '.join(WRITERS)}.", field="writers")
    return WRITERS[name]


def can_hold(name: str, table: Table) -> bool:
    """Whether the table goes out in this format."""
    return (writer_named(name).nested or not table.nested) and (not table.formats or name in table.formats)
