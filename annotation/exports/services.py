"""Writes about releases. A run is a row before it is a job: whoever works on it holds a lease and renews it, and a run
whose worker is gone is taken up again. What a run freezes when it is asked for decides every byte of its files."""

import shutil
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any
from uuid import UUID

import structlog
from django.conf import settings
from django.db import DatabaseError, transaction
from django.db.models import F

from annotation.accounts.models import User
from annotation.accounts.services import record_audit
from annotation.common.errors import DomainError
from annotation.exports.assess import assess_texts, assessors, configured_moderation
from annotation.exports.layouts import layout_named
from annotation.exports.layouts.options import frozen
from annotation.exports.models import ExportRun, ExportSchedule, ReleasedPerson
from annotation.exports.queries import (
    claimable,
    due_schedules,
    schedules_without_time,
    stranded_runs,
    tombstones,
    withdrew_meanwhile,
)
from annotation.exports.reading import Reading
from annotation.exports.release import Release, build_release
from annotation.exports.schedule import next_time
from annotation.exports.writers import WRITERS, writer_named
from annotation.studies.models import Study

log = structlog.get_logger()
DEFAULT_WRITERS = tuple(WRITERS)
LEASE = timedelta(minutes=2)
SECONDS_BETWEEN_BEATS = 15
MOST_ATTEMPTS = 3
Clock = Callable[[], datetime]


class LeaseLostError(Exception):
    """Another worker has taken the run up."""


# -- asking ------------------------------------------------------------------------------------------------------------
def request_export(
    *,
    study: Study,
    layout: str,
    now: datetime,
    writers: Sequence[str] = DEFAULT_WRITERS,
    rehearsal: bool = False,
    options: Mapping[str, Any] | None = None,
    requested_by: User | None = None,
    schedule: ExportSchedule | None = None,
    cut_off: datetime | None = None,
    enqueue: bool = True,
) -> ExportRun:
    """Freeze what goes out, as a queued run, and hand it to a worker on commit. Asking twice makes two releases."""
    shape = layout_named(layout)
    names = [writer_named(name).name for name in writers]
    if not names:
        raise DomainError("Name at least one writer.", field="writers")
    with transaction.atomic():
        run = ExportRun.objects.create(
            study=study,
            schedule=schedule,
            layout=shape.name,
            layout_version=shape.version,
            writers=list(dict.fromkeys(names)),
            rehearsal=rehearsal,
            cut_off=cut_off or now,
            options=frozen(shape.name, shape.options, declared_options(study, shape.name) | dict(options or {})),
            requested_by=requested_by,
            created_at=now,
            lease_until=now + LEASE,
        )
        actor = requested_by.username if requested_by else "system"
        record_audit(actor=actor, action="export requested", subject=f"export {run.pk}", now=now)
        if enqueue:
            transaction.on_commit(lambda: _enqueue(run.pk))
    return run


def declared_options(study: Study, layout: str) -> dict[str, Any]:
    """What the study's document sets for this layout."""
    export = study.current.document.get("export", {}) if study.current else {}
    return dict(export.get("options", {}).get(layout, {}))


def _enqueue(run_id: UUID) -> None:
    from annotation.exports.tasks import run_export as job  # noqa: PLC0415 - the job's door imports this module

    job.delay(str(run_id))


def start_due(*, now: datetime) -> list[ExportRun]:
    """Start every schedule whose time has come, once, with any number of sweeps at the same time; hand runs that lost
    their message or their worker to a worker again."""
    for schedule in schedules_without_time():
        set_next_time(schedule=schedule, now=now)
    started = [run for schedule in due_schedules(now) if (run := _start(schedule, now)) is not None]
    for run in stranded_runs(now):
        _enqueue(run.pk)
    return started


def _start(schedule: ExportSchedule, now: datetime) -> ExportRun | None:
    """Claim by moving the due time on: of several sweeps exactly one changes the row. Missed times are not made up."""
    with transaction.atomic():
        claimed = ExportSchedule.objects.filter(pk=schedule.pk, enabled=True, next_due_at=schedule.next_due_at).update(
            next_due_at=next_time(schedule.crontab, now)
        )
        if claimed != 1:
            return None
        return request_export(
            study=schedule.study,
            layout=schedule.layout,
            writers=schedule.writers or DEFAULT_WRITERS,
            rehearsal=schedule.rehearsal,
            options=schedule.options,
            schedule=schedule,
            now=now,
        )


def set_next_time(*, schedule: ExportSchedule, now: datetime) -> None:
    """Write when the schedule comes next."""
    ExportSchedule.objects.filter(pk=schedule.pk).update(next_due_at=next_time(schedule.crontab, now))


# -- running -----------------------------------------------------------------------------------------------------------
@dataclass
class Lease:
    """The right to work on a run. `beat` renews it now and then, and raises when somebody else has it."""

    run: ExportRun
    now: Clock
    beaten: float = field(default_factory=time.monotonic)

    def beat(self) -> None:
        if time.monotonic() - self.beaten >= SECONDS_BETWEEN_BEATS:
            self.renew()

    def renew(self) -> None:
        self.beaten = time.monotonic()
        if _held(self.run).update(lease_until=self.now() + LEASE) != 1:
            raise LeaseLostError


def _held(run: ExportRun) -> Any:
    """The run, as long as this attempt holds it."""
    return ExportRun.objects.filter(pk=run.pk, attempt=run.attempt, state=ExportRun.State.RUNNING)


def run_export(run_id: UUID, *, now: Clock) -> bool:
    """Build the release and publish it; false where there was nothing to claim, as for a finished run.

    Nothing is visible before it is whole: it is built in a folder of its own, read back, and moved into place."""
    run = _claim(run_id, now())
    if run is None:
        return False
    lease, folder = Lease(run, now), building_folder(run)
    try:
        _drop_earlier_attempts(run)
        folder.mkdir(parents=True)
        release = _build(run, folder, lease)
        lease.renew()
        _publish(run, folder, release, now())
    except LeaseLostError:
        log.info("export_lease_lost", run=str(run.pk))
    except DomainError as error:
        _fail(run, error.text, now())
    except (OSError, DatabaseError) as error:
        _try_again_later(run, error, now())
    except Exception as error:  # noqa: BLE001 - the job's last line: whatever happened becomes a state
        log.error("export_failed", run=str(run.pk), error=type(error).__name__)  # noqa: TRY400 - a trace may hold texts
        _fail(run, f"{type(error).__name__}: {error}", now())
    finally:
        shutil.rmtree(folder, ignore_errors=True)
        shutil.rmtree(_replaced(folder), ignore_errors=True)
    return True


def _replaced(folder: Path) -> Path:
    """Where an earlier attempt's published folder waits to be deleted."""
    return folder.with_name(f"{folder.name}.replaced")


def _claim(run_id: UUID, now: datetime) -> ExportRun | None:
    claimed = ExportRun.objects.filter(claimable(now), pk=run_id).update(
        state=ExportRun.State.RUNNING, attempt=F("attempt") + 1, lease_until=now + LEASE
    )
    return ExportRun.objects.select_related("study").get(pk=run_id) if claimed == 1 else None


def building_folder(run: ExportRun) -> Path:
    return Path(settings.EXPORTS_DIR) / ".building" / f"{run.pk}.{run.attempt}"


def _drop_earlier_attempts(run: ExportRun) -> None:
    """What a killed worker left behind."""
    for left in building_folder(run).parent.glob(f"{run.pk}.*"):
        shutil.rmtree(left, ignore_errors=True)


def _build(run: ExportRun, folder: Path, lease: Lease) -> Release:
    """Assess what is new, then build; again from the start where somebody withdrew meanwhile."""
    layout, attempts = layout_named(run.layout), 0
    while True:
        reading = Reading(run.study, run.cut_off, run.rehearsal, run.options)
        assess_texts(layout.texts(reading), now=lease.now(), moderation=configured_moderation(), beat=lease.beat)
        facts = {
            "release": str(run.pk),
            "withdrawn": tombstones(run.study, rehearsal=run.rehearsal),
            "assessed_with": assessors(),
        }
        release = build_release(
            folder, layout=layout, reading=reading, writers=run.writers, facts=facts, beat=lease.beat
        )
        attempts += 1
        if not withdrew_meanwhile(release.people, run.study):
            return release
        if attempts == MOST_ATTEMPTS:
            raise DomainError("People withdrew each time while the release was built.")
        shutil.rmtree(folder)
        folder.mkdir()


def release_folder(run: ExportRun) -> Path:
    name = f"{run.layout}-{run.cut_off:%Y%m%dT%H%M%SZ}-{run.pk.hex[:8]}"
    return Path(settings.EXPORTS_DIR) / run.study.slug / name


def _publish(run: ExportRun, folder: Path, release: Release, now: datetime) -> None:
    """Move the folder into place, then say so. Killed in between, the next attempt puts the same bytes there."""
    target = release_folder(run)
    target.parent.mkdir(parents=True, exist_ok=True)
    if target.exists():
        target.rename(_replaced(folder))
    folder.rename(target)
    with transaction.atomic():
        finished = _held(run).update(
            state=ExportRun.State.DONE,
            folder=str(target.relative_to(settings.EXPORTS_DIR)),
            manifest=release.manifest,
            finished_at=now,
            lease_until=None,
        )
        if finished != 1:
            raise LeaseLostError
        named = [ReleasedPerson(run=run, participation_id=pk, name=name) for pk, name in release.people.items()]
        ReleasedPerson.objects.bulk_create(named, batch_size=1_000)
        record_audit(actor="system", action="exported", subject=f"export {run.pk}", now=now)


def _fail(run: ExportRun, text: str, now: datetime) -> None:
    _held(run).update(state=ExportRun.State.FAILED, error=text, finished_at=now, lease_until=None)


def _try_again_later(run: ExportRun, error: Exception, now: datetime) -> None:
    """A full disk or a database that is away recovers by itself: the sweep takes the run up again."""
    log.warning("export_interrupted", run=str(run.pk), error=type(error).__name__, attempt=run.attempt)
    if run.attempt >= MOST_ATTEMPTS:
        _fail(run, f"{type(error).__name__} in {run.attempt} attempts: {error}", now)
    else:
        _held(run).update(state=ExportRun.State.QUEUED, lease_until=now)


def record_download(*, run: ExportRun, file: str, actor: str, now: datetime) -> None:
    """Note who took which file of a release."""
    record_audit(actor=actor, action="downloaded", subject=f"export {run.pk}", now=now, details={"file": file})
