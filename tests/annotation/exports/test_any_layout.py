"""What holds for every layout over comparisons: it goes out by a schedule with its options frozen, in both formats,
with codebook and schema for each of its columns, and the same release again has the same bytes."""

import json
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from django_celery_beat.models import CrontabSchedule

from annotation.exports import services
from annotation.exports.layouts import LAYOUTS
from annotation.exports.layouts.options import frozen
from annotation.exports.models import ExportRun, ExportSchedule
from annotation.exports.reading import Reading
from annotation.exports.release import file_sha256
from annotation.studies.models import Study
from tests.annotation.exports.conftest import records
from tests.factories import judged

NIGHT = judged.CUT_OFF + timedelta(days=1, hours=2)
SCORES = ("helpfulness", "correctness", "coherence", "complexity", "verbosity")
MARK = {"kind": "likert", "text": "Mark it.", "points": {"count": 5, "first": 0, "ends": ["no", "yes"]}}
QUESTIONS: dict[str, Any] = {
    "better": judged.PREFERENCE,
    "goal": {"kind": "single_choice", "text": "What matters?", "choices": ["Truth", "Brevity"]},
    "why": {"kind": "rationale", "text": "Why?"},
    "preference": {"kind": "graded_preference", "text": "How much?", "points": 7},
    "preference_statement": {"kind": "long_text", "text": "In a sentence?"},
    "preference_elaboration": {"kind": "long_text", "text": "In more?"},
    **dict.fromkeys(SCORES, MARK),
}
# talks and forms of their own: `multipref`, `ultrafeedback` and `community_alignment` are released from their presets
COVERED = (
    "preference",
    "unpaired_preference",
    "listwise",
    "soft_preference",
    "aspects",
    "joint_preference",
    "context_preference",
    "rationales",
    "raw_votes",
    "helpsteer2",
    "helpsteer2_preference",
    "linked_tables",
)


@pytest.fixture
def study(db: None) -> Study:
    """Two people who judged one pair each, under a criterion that they picked first."""
    about = ["better", "why", "preference", "preference_statement", "preference_elaboration"]
    study = judged.study(QUESTIONS, before=["goal"], per_candidate=list(SCORES), about_item=about)
    for number in range(2):
        item = judged.item(study, [f"Answer {number}.", "No."], f"Question {number}?")
        first, second = judged.ids(item)
        said = judged.about(
            better=(first, second)[number],
            why="It is short — “kurz”.",
            preference={"toward": first, "strength": 2},
            preference_statement="The first.",
            preference_elaboration="It answers.",
        )
        marks = judged.each(item, **{name: [4 - number, number] for name in SCORES})
        picked = judged.about(goal="Truth")
        judged.vote(judged.judge(study, pool="crowd"), item, said | marks, before=picked, order=(1, 0))
    return study


def scheduled(study: Study, layout: str) -> ExportRun:
    """The release of a night, made by the schedule and a worker."""
    at_two = CrontabSchedule.objects.create(minute="0", hour="2", timezone="UTC")
    ExportSchedule.objects.create(
        study=study, layout=layout, writers=["jsonl", "parquet"], crontab=at_two, next_due_at=NIGHT
    )
    (run,) = services.start_due(now=NIGHT)
    return worked_off(run)


def worked_off(run: ExportRun) -> ExportRun:
    assert services.run_export(run.pk, now=lambda: NIGHT)
    run.refresh_from_db()
    assert (run.state, run.error) == ("done", "")
    return run


def as_json(folder: Path, name: str) -> Any:
    return json.loads((folder / name).read_text(encoding="utf-8"))


@pytest.mark.parametrize("layout", COVERED)
def test_a_layout_goes_out_by_schedule_whole_and_twice_the_same(study: Study, exports_dir: Path, layout: str) -> None:
    run = scheduled(study, layout)
    again = worked_off(
        services.request_export(study=study, layout=layout, writers=["jsonl", "parquet"], now=NIGHT, enqueue=False)
    )

    folder, shape = exports_dir / run.folder, LAYOUTS[layout]
    tables = {table.name: table for table in shape.tables(Reading(study, NIGHT, options=run.options))}
    assert run.options == frozen(layout, shape.options, {})
    assert run.manifest["layout"] == {"name": layout, "version": shape.version}
    assert run.manifest["rows"] == {name: len(records(folder, name)) for name in tables}
    assert run.manifest["rows"][next(iter(tables))] > 0
    assert list(as_json(folder, "schema.json")) == list(tables)
    described = {
        (row["table"], row["column"].split(".")[0].removesuffix("[]")) for row in as_json(folder, "codebook.json")
    }
    assert described == {(name, field.name) for name, table in tables.items() for field in table.fields}
    hashes = {file["name"]: file["sha256"] for file in run.manifest["files"]}
    written = {path.name: file_sha256(path) for path in folder.iterdir() if path.name != "manifest.json"}
    repeated = exports_dir / again.folder
    assert hashes == written == {name: file_sha256(repeated / name) for name in written}
