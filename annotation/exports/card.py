"""The data card of a release: README.md with one configuration per table, so that the usual loaders find the files."""

from collections import Counter
from collections.abc import Iterable, Sequence

from annotation.exports.layouts.base import Layout, Outcome, Table
from annotation.exports.layouts.excluded import LEAVE_OUT
from annotation.exports.reading import Reading
from annotation.exports.writers import WRITERS, can_hold, writer_named
from annotation.studies.texts import in_language

WITHOUT_EXCLUDED = "People whom a researcher excluded over a quality flag are not in it either; that is counted below."


def data_card(
    reading: Reading,
    layout: Layout,
    *,
    tables: Sequence[Table],
    counts: Counter[str],
    writers: Sequence[str],
    outcome: Outcome,
) -> str:
    document = reading.documents[0] if reading.documents else None
    title = in_language(document.title, "en") if document else reading.study.slug
    summary = in_language(document.summary, "en") if document and document.summary else ""
    lines = [
        *_front_matter(tables, counts, writers, document.languages if document else ()),
        f"# {title}",
        "",
        *([summary, ""] if summary else []),
        f"{layout.title}. Rows made up to {reading.cut_off:%Y-%m-%d %H:%M} UTC."
        + (" These are rehearsals by bots, not people's data." if reading.rehearsal else ""),
        "",
        "| table | rows | what it is |",
        "| --- | --- | --- |",
        *(f"| {table.name} | {counts[table.name]} | {table.text} |" for table in tables),
        "",
        "Every column is described in `codebook.md`; `manifest.json` has the hash of every file.",
        "",
        "## What is not in it",
        "",
        "People who withdrew, rows outside a person's consent, unfinished conversations, failed answers and turns that",
        "were started again. A name such as `user3` is a pseudonym of this release.",
        *(["", WITHOUT_EXCLUDED] if reading.options.get("excluded") == LEAVE_OUT else []),
        "",
        "## What was counted",
        "",
        *_counted(outcome),
        "",
        "## What was assessed",
        "",
        *_assessed(outcome),
        "",
    ]
    return "\n".join(lines)


def _front_matter(
    tables: Sequence[Table], counts: Counter[str], writers: Sequence[str], languages: Iterable[str]
) -> list[str]:
    lines = ["---", "language:", *(f"- {language}" for language in languages), "configs:"]
    for table in tables:
        written = [name for name in WRITERS if name in writers and can_hold(name, table)]
        # an empty file has no columns that a loader could read
        if written and counts[table.name]:
            lines += [f"- config_name: {table.name}", f"  data_files: {table.name}{writer_named(written[0]).suffix}"]
    return [*lines, "---", ""]


def _counted(outcome: Outcome) -> list[str]:
    return [f"* {what}: {count}" for what, count in sorted(outcome.counts.items())] or ["Nothing."]


def _assessed(outcome: Outcome) -> list[str]:
    total = outcome.assessed["texts"]
    parts = [(name, count) for name, count in sorted(outcome.assessed.items()) if name != "texts"]
    return [f"* {name.replace('_', ' ')}: {count} of {total} texts" for name, count in parts] or ["No text."]
