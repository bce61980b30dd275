"""Builds a release in a folder of its own: tables, codebook, data card, manifest. Everything in it follows from the
rows and from what the run froze, so building it again gives the same bytes."""

import hashlib
import json
import tomllib
from collections import Counter
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any

from django.conf import settings

from annotation.exports.card import data_card
from annotation.exports.codebook import Codebook, as_csv, as_json, as_markdown
from annotation.exports.layouts.base import Layout, Outcome, Table
from annotation.exports.layouts.fields import Record, json_schema
from annotation.exports.reading import Reading
from annotation.exports.validation import refuse_broken, written_folder
from annotation.exports.writers import WRITERS, can_hold, writer_named

MANIFEST = "manifest.json"
RECORDS_PER_BEAT = 500


@dataclass
class Release:
    """What was built: the manifest, and who is in it under which name."""

    manifest: dict[str, Any]
    people: dict[Any, str] = field(default_factory=dict)


def build_release(
    folder: Path,
    *,
    layout: Layout,
    reading: Reading,
    writers: Sequence[str],
    facts: dict[str, Any],
    beat: Callable[[], None] = lambda: None,
) -> Release:
    """Write, read back, describe. Raises `ReleaseRefusedError` where what was written breaks the layout's rules.

    `facts` go into the manifest as they are; `beat` is called often, and may raise to stop."""
    tables, outcome = layout.tables(reading), Outcome()
    codebook, counts = Codebook(tables), Counter[str]({table.name: 0 for table in tables})
    _write(folder, layout, reading, tables, writers, outcome, codebook, counts, beat)
    beat()
    refuse_broken(layout, reading, written_folder(folder, tables, writers), counts)
    rows = list(codebook.rows(outcome))
    texts = {
        "codebook.json": as_json(rows),
        "codebook.csv": as_csv(rows),
        "codebook.md": as_markdown(rows, tables),
        "schema.json": _as_text({table.name: json_schema(table.fields, table.name) for table in tables}),
        "README.md": data_card(reading, layout, tables=tables, counts=counts, writers=writers, outcome=outcome),
    }
    for name, text in texts.items():
        (folder / name).write_text(text, encoding="utf-8", newline="\n")
    manifest = facts | {
        "software": software(),
        "layout": {"name": layout.name, "version": layout.version},
        "study": reading.study.slug,
        "cut_off": reading.cut_off.isoformat(),
        "rehearsal": reading.rehearsal,
        "options": dict(reading.options),
        "versions": [
            {"number": version.number, "sha256": version.sha256, "published_at": version.published_at.isoformat()}
            for version in reading.versions
        ],
        "rows": dict(counts),
        "people": len(outcome.people),
        "counts": dict(sorted(outcome.counts.items())),
        "assessed": dict(sorted(outcome.assessed.items())),
        "files": [_file(folder, path, counts) for path in sorted(folder.iterdir())],
    }
    (folder / MANIFEST).write_text(_as_text(manifest), encoding="utf-8", newline="\n")
    return Release(manifest, outcome.people)


def _write(  # noqa: PLR0917 - the state of one pass
    folder: Path,
    layout: Layout,
    reading: Reading,
    tables: Sequence[Table],
    writers: Sequence[str],
    outcome: Outcome,
    codebook: Codebook,
    counts: Counter[str],
    beat: Callable[[], None],
) -> None:
    """One pass over the data into all files at once."""
    with ExitStack() as files:
        sinks = {
            table.name: [
                files.enter_context(writer.open(folder / (table.name + writer.suffix), table.fields))
                for writer in map(writer_named, writers)
                if can_hold(writer.name, table)
            ]
            for table in tables
        }
        for number, (table, record) in enumerate(layout.records(reading, outcome)):
            for sink in sinks[table]:
                sink.write(record)
            codebook.add(table, record)
            counts[table] += 1
            if number % RECORDS_PER_BEAT == 0:
                beat()


def _file(folder: Path, path: Path, counts: Counter[str]) -> Record:
    table = path.stem if path.stem in counts and path.suffix in {writer.suffix for writer in WRITERS.values()} else None
    return {
        "name": path.name,
        "rows": counts[table] if table else None,
        "bytes": path.stat().st_size,
        "sha256": file_sha256(path),
    }


def file_sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _as_text(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False, allow_nan=False, indent=1) + "\n"


@cache
def software() -> str:
    project = tomllib.loads((settings.BASE_DIR / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    return f"{project['name']} {project['version']}"
