"""A release that is imported and exported again is the same release."""

from datetime import UTC, datetime
from pathlib import Path

import pytest

from annotation.exports.importing.prism import FILES, import_release
from annotation.exports.layouts import layout_named
from annotation.exports.reading import Reading
from annotation.exports.validation import written_folder
from annotation.studies.models import Study
from tests.annotation.exports.conftest import Export, records
from tests.factories import prism_rows

NOW = datetime(2026, 11, 21, tzinfo=UTC)


@pytest.fixture
def study(db: None) -> Study:
    study = prism_rows.prism_study()
    prism_rows.person(study, talks=(*prism_rows.TYPES, "unguided"))
    prism_rows.person(study, talks=("unguided",))
    prism_rows.person(study)
    return study


def bytes_of(folder: Path) -> dict[str, bytes]:
    return {name: (folder / f"{name}.jsonl").read_bytes() for name in FILES}


def test_an_imported_release_is_exported_byte_for_byte_again(study: Study, export: Export) -> None:
    first = export("first")

    import_release(folder=first, slug="again", now=NOW)

    assert bytes_of(export("second", "again", at=NOW)) == bytes_of(first)


def test_parquet_gives_back_what_the_lines_say(study: Study, export: Export) -> None:
    folder = export("both", writers="jsonl,parquet,csv")
    tables = layout_named("prism").tables(Reading(study, prism_rows.CUT_OFF))
    written = written_folder(folder, tables, ("jsonl", "parquet", "csv"))

    for table in FILES:
        assert [record for _, record in written.rows(table, "parquet")] == records(folder, table)
    assert [record for _, record in written.rows("wide", "parquet")] == [row for _, row in written.rows("wide", "csv")]
