"""Releases: frozen when they are asked for, built once by whoever holds the lease, and final when they are done."""

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from django_celery_beat.models import CrontabSchedule

from annotation.accounts.models import AuditEntry
from annotation.common.errors import DomainError
from annotation.common.models import AppendOnlyError
from annotation.exports import services
from annotation.exports.layouts import LAYOUTS
from annotation.exports.models import ExportRun, ExportSchedule
from annotation.exports.queries import current_manifest
from annotation.exports.release import file_sha256
from annotation.exports.services import building_folder, release_folder, request_export, run_export, start_due
from annotation.items.models import Candidate
from annotation.studies.models import Study
from tests.annotation.exports.conftest import Export, records
from tests.factories import prism_rows
from tests.factories.prism_rows import CUT_OFF, stored

LATER = CUT_OFF + timedelta(days=1)


@pytest.fixture
def study(db: None) -> Study:
    study = prism_rows.prism_study()
    prism_rows.person(study, talks=("unguided",))
    prism_rows.person(study, talks=prism_rows.TYPES)
    return study


def queued(study: Study, **changes: Any) -> ExportRun:
    asked = {"layout": "prism", "writers": ("jsonl",), "now": CUT_OFF, "enqueue": False}
    return request_export(study=study, **asked | changes)


def finished(study: Study, **changes: Any) -> ExportRun:
    run = queued(study, **changes)
    assert run_export(run.pk, now=lambda: CUT_OFF)
    run.refresh_from_db()
    return run


def tree(folder: Path) -> dict[str, str]:
    return {path.name: file_sha256(path) for path in sorted(folder.iterdir())}


# -- asking ------------------------------------------------------------------------------------------------------------
def test_what_is_asked_for_is_frozen_in_the_run_and_noted(study: Study) -> None:
    run = queued(study, options={"seed": 3})

    assert (run.state, run.layout, run.layout_version, run.writers, run.cut_off, run.options) == (
        "queued",
        "prism",
        "1",
        ["jsonl"],
        CUT_OFF,
        {"excluded": "leave_out", "seed": 3, "study_locales": {}},
    )
    assert AuditEntry.objects.values_list("actor", "action", "subject").get() == (
        "system",
        "export requested",
        f"export {run.pk}",
    )


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"layout": "prison"}, f"There is no layout prison; there are {', '.join(LAYOUTS)}."),
        ({"writers": ["xlsx"]}, "There is no writer xlsx; there are jsonl, csv, parquet."),
        ({"writers": []}, "Name at least one writer."),
    ],
)
def test_an_unknown_shape_is_refused_with_what_is_allowed(study: Study, changes: dict[str, Any], message: str) -> None:
    with pytest.raises(DomainError) as refused:
        queued(study, **changes)

    assert refused.value.text == message
    assert not ExportRun.objects.exists()


# -- running -----------------------------------------------------------------------------------------------------------
def test_a_release_has_a_manifest_with_the_counts_and_hashes_of_its_files(study: Study, exports_dir: Path) -> None:
    run = finished(study, writers=("jsonl", "csv", "parquet"))
    folder = exports_dir / run.folder
    assert study.current is not None

    assert run.manifest == prism_rows.manifest(folder)
    assert run.manifest["rows"] == {
        table: len(records(folder, table)) for table in ("survey", "conversations", "utterances", "metadata", "models")
    } | {"wide": (folder / "wide.csv").read_text(encoding="utf-8").count("\nint")}
    assert {file["name"]: file["sha256"] for file in run.manifest["files"]} == {
        name: sha256 for name, sha256 in tree(folder).items() if name != "manifest.json"
    }
    assert run.manifest["versions"][0]["sha256"] == study.current.sha256
    assert (run.manifest["people"], run.manifest["cut_off"]) == (2, CUT_OFF.isoformat())
    assert run.manifest["software"] == "plurivox 0.1.0"
    assert run.manifest["assessed_with"]["moderation"] is None


def test_every_text_is_counted_as_assessed_or_not(study: Study) -> None:
    manifest = finished(study).manifest

    empty = Candidate.objects.filter(content={"text": ""}).count()
    texts = manifest["rows"]["metadata"]
    assert manifest["assessed"] == {
        "texts": texts,
        "language": texts - empty,
        "personal_data": texts - empty,
        "moderation": 0,
    }


def test_how_choices_came_about_is_counted(study: Study) -> None:
    manifest = finished(study).manifest

    turns = sum(talk.turns.count() for person in study.participations.all() for talk in person.conversations.all())
    assert manifest["counts"] == {"choice: highest": turns}


def test_two_releases_with_the_same_cut_off_have_the_same_bytes(study: Study, exports_dir: Path) -> None:
    first = finished(study, writers=("jsonl", "csv", "parquet"))
    prism_rows.person(study, talks=("unguided",)).profile.all()
    late = study.participations.get(ordinal=2)
    type(late).objects.filter(pk=late.pk).update(started_at=LATER)

    second = finished(study, writers=("jsonl", "csv", "parquet"))

    one, two = tree(exports_dir / first.folder), tree(exports_dir / second.folder)
    # the manifests name their releases and nothing else differs
    assert {**one, "manifest.json": ""} == {**two, "manifest.json": ""}
    assert {**first.manifest, "release": ""} == {**second.manifest, "release": ""}


def test_rows_made_after_the_cut_off_are_not_in(study: Study, export: Export) -> None:
    talk = study.participations.get(ordinal=1).conversations.get(number=2)
    talk.finished_at = LATER
    talk.save()

    assert [row["num_completed_conversations"] for row in records(export("out"), "survey")] == [1, 2]


def test_rehearsals_and_peoples_data_never_mix(study: Study, export: Export) -> None:
    prism_rows.person(study, talks=("unguided",), rehearsal=True, gender=stored("Female"))

    real, rehearsed = export("real"), export("rehearsed", rehearsal=True)

    assert (len(records(real, "survey")), len(records(rehearsed, "survey"))) == (2, 1)
    assert (prism_rows.manifest(real)["rehearsal"], prism_rows.manifest(rehearsed)["rehearsal"]) == (False, True)


def test_a_finished_run_is_not_run_again(study: Study) -> None:
    run = finished(study)

    assert run_export(run.pk, now=lambda: LATER) is False


def test_a_finished_run_never_changes(study: Study) -> None:
    run = finished(study)
    run.state = "queued"

    with pytest.raises(AppendOnlyError):
        run.save()
    with pytest.raises(AppendOnlyError):
        run.delete()
    with pytest.raises(AppendOnlyError):
        ExportRun.objects.filter(study=study).update(rehearsal=True)
    with pytest.raises(AppendOnlyError):
        ExportRun.objects.all().delete()
    assert ExportRun.objects.values_list("state", "rehearsal").get() == ("done", False)


# -- withdrawal --------------------------------------------------------------------------------------------------------
def test_somebody_who_withdrew_is_in_no_later_release_and_a_tombstone_in_all(study: Study, export: Export) -> None:
    earlier = finished(study)
    prism_rows.withdraw(study.participations.get(ordinal=0), LATER)

    later = finished(study)

    folder = Path(services.settings.EXPORTS_DIR) / later.folder
    assert [row["num_completed_conversations"] for row in records(folder, "survey")] == [3]
    assert {row["user_id"] for row in records(folder, "metadata")} == {"user0"}
    assert later.manifest["withdrawn"] == [
        {
            "withdrawn_at": LATER.isoformat(),
            "released_as": [{"release": str(earlier.pk), "name": "user0"}],
        }
    ]
    assert current_manifest(earlier)["withdrawn_since"] == [{"name": "user0", "withdrawn_at": LATER.isoformat()}]
    assert current_manifest(later)["withdrawn_since"] == []


def test_somebody_who_withdraws_while_a_release_is_built_is_not_in_it(
    study: Study, monkeypatch: pytest.MonkeyPatch
) -> None:
    build, built = services.build_release, []

    def build_and_withdraw(folder: Path, **more: Any) -> Any:
        release = build(folder, **more)
        if not built:
            prism_rows.withdraw(study.participations.get(ordinal=0), CUT_OFF)
        built.append(len(release.people))
        return release

    monkeypatch.setattr(services, "build_release", build_and_withdraw)
    run = finished(study)

    assert built == [2, 1]
    assert run.manifest["people"] == 1


# -- faults ------------------------------------------------------------------------------------------------------------
class Killed(BaseException):
    """Nothing in the job catches it, as nothing catches a kill."""


@contextmanager
def killed_midway(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """The worker dies when the first files are written; what it had made stays where it is."""

    def die(*_: Any) -> None:
        raise Killed

    with monkeypatch.context() as patch:
        patch.setattr("annotation.exports.release.refuse_broken", die)
        patch.setattr(shutil, "rmtree", lambda *_, **__: None)
        yield


def test_a_killed_worker_leaves_nothing_to_see_and_the_next_gives_the_same_bytes(
    study: Study, exports_dir: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = queued(study)
    with killed_midway(monkeypatch), pytest.raises(Killed):
        run_export(run.pk, now=lambda: CUT_OFF)
    run.refresh_from_db()
    assert (building_folder(run) / "survey.jsonl").is_file()
    assert not (exports_dir / "prism").exists()
    assert run.state == "running"

    assert run_export(run.pk, now=lambda: CUT_OFF) is False  # the lease of the dead still holds
    assert run_export(run.pk, now=lambda: CUT_OFF + timedelta(minutes=3)) is True

    run.refresh_from_db()
    assert (run.state, run.attempt) == ("done", 2)
    assert list((exports_dir / ".building").iterdir()) == []
    other = finished(study)
    assert {**tree(exports_dir / run.folder), "manifest.json": ""} == {
        **tree(exports_dir / other.folder),
        "manifest.json": "",
    }


def test_a_folder_that_was_moved_but_not_noted_is_replaced(study: Study, exports_dir: Path) -> None:
    run = queued(study)
    release_folder(run).mkdir(parents=True)
    (release_folder(run) / "survey.jsonl").write_text("half")

    run_export(run.pk, now=lambda: CUT_OFF)

    assert len(records(release_folder(run), "survey")) == 2
    assert list((exports_dir / ".building").iterdir()) == []


def test_a_release_that_breaks_a_rule_is_a_failed_run_and_nothing_is_published(study: Study, exports_dir: Path) -> None:
    talk = study.participations.get(ordinal=0).conversations.get()
    turn = talk.turns.get(number=0)
    judgement = prism_rows.Judgement.objects.get(assignment=turn.assignment)
    prism_rows.Judgement.objects.filter(pk=judgement.pk).erase()
    prism_rows.judgement(talk, turn.assignment, {"score": {}}, chosen=turn.chosen)

    run = finished(study)

    assert run.state == "failed"
    assert run.error.split("\n")[0] == "conversations.jsonl:1: conversation_history.1.score: null is not allowed"
    assert (run.folder, run.manifest) == ("", {})
    assert not (exports_dir / "prism").exists()


def test_a_full_disk_is_tried_again_and_fails_in_the_end(study: Study, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: Any, **__: Any) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(services, "build_release", full)
    run = queued(study)
    states = []
    for _ in range(3):
        run_export(run.pk, now=lambda: CUT_OFF)
        run.refresh_from_db()
        states.append(run.state)

    assert states == ["queued", "queued", "failed"]
    assert run.error == "OSError in 3 attempts: [Errno 28] No space left on device"


def test_whoever_lost_the_lease_publishes_nothing(
    study: Study, exports_dir: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    build = services.build_release

    def taken_meanwhile(folder: Path, **more: Any) -> Any:
        ExportRun.objects.filter(pk=run.pk).update(attempt=7)
        return build(folder, **more)

    monkeypatch.setattr(services, "build_release", taken_meanwhile)
    run = queued(study)
    run_export(run.pk, now=lambda: CUT_OFF)

    run.refresh_from_db()
    assert (run.state, run.attempt) == ("running", 7)
    assert not (exports_dir / "prism").exists()


# -- schedules ---------------------------------------------------------------------------------------------------------
@pytest.fixture
def nightly(study: Study) -> ExportSchedule:
    at_two = CrontabSchedule.objects.create(minute="0", hour="2", timezone="UTC")
    return ExportSchedule.objects.create(study=study, layout="prism", writers=["jsonl"], crontab=at_two)


@pytest.fixture
def sent(monkeypatch: pytest.MonkeyPatch) -> list[Any]:
    """Ids of runs that were handed to a worker."""
    ids: list[Any] = []
    monkeypatch.setattr(services, "_enqueue", ids.append)
    return ids


def test_a_due_schedule_starts_one_run_and_moves_on(
    nightly: ExportSchedule, sent: list[Any], django_capture_on_commit_callbacks: Any
) -> None:
    noon = datetime(2024, 1, 1, 12, tzinfo=UTC)
    assert start_due(now=noon) == []
    night = datetime(2024, 1, 2, 2, 0, 30, tzinfo=UTC)

    with django_capture_on_commit_callbacks(execute=True):
        started = start_due(now=night)
        again = start_due(now=night)

    assert [(run.schedule_id, run.cut_off, run.writers) for run in started] == [(nightly.pk, night, ["jsonl"])]
    assert again == []
    assert sent == [started[0].pk]
    nightly.refresh_from_db()
    assert nightly.next_due_at == datetime(2024, 1, 3, 2, tzinfo=UTC)


def test_a_sweep_that_read_the_same_due_time_claims_nothing(nightly: ExportSchedule, sent: list[Any]) -> None:
    night = datetime(2024, 1, 2, 2, tzinfo=UTC)
    nightly.next_due_at = night
    nightly.save()
    stale = ExportSchedule.objects.select_related("crontab", "study").get()

    assert services._start(stale, night) is not None
    assert services._start(stale, night) is None


def test_a_schedule_that_is_switched_off_starts_nothing(nightly: ExportSchedule, sent: list[Any]) -> None:
    nightly.enabled, nightly.next_due_at = False, datetime(2024, 1, 2, 2, tzinfo=UTC)
    nightly.save()

    assert start_due(now=datetime(2024, 1, 5, tzinfo=UTC)) == []


def test_runs_that_lost_their_message_or_their_worker_are_sent_again(study: Study, sent: list[Any]) -> None:
    lost, dead, fresh = queued(study), queued(study), queued(study, now=LATER)
    ExportRun.objects.filter(pk=dead.pk).update(state="running")

    start_due(now=LATER)

    assert set(sent) == {lost.pk, dead.pk}
    assert fresh.state == "queued"
