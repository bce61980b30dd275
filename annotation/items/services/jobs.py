"""Writes about background jobs over item sets. The row is the job: whoever works on it holds a lease and renews it with
every bit of progress; of a worker that was given up for lost nothing is stored any more."""

import time
import uuid
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

import structlog
from django.db import DatabaseError, transaction
from django.db.models import F, Q

from annotation.common.errors import ConflictError, DomainError
from annotation.items.models import ItemSet, SetJob

LEASE = timedelta(seconds=60)
SECONDS_BETWEEN_BEATS = 5
# a message that was not taken up in this time is lost
MESSAGE_LOST_AFTER = timedelta(seconds=30)
# a job whose workers die again and again is the job's fault
MOST_ATTEMPTS = 5
OVER = (SetJob.State.DONE, SetJob.State.FAILED, SetJob.State.CANCELLED)
Clock = Callable[[], datetime]
log = structlog.get_logger(__name__)


class LeaseLostError(Exception):
    """Another worker has the job, or it was cancelled."""


@dataclass
class Lease:
    """The right to work on a job."""

    job: SetJob
    clock: Clock
    beaten: float = field(default_factory=time.monotonic)

    def beat(self, done: int) -> None:
        """Progress; written now and then. Raises `LeaseLostError` where the job is somebody else's by now."""
        if time.monotonic() - self.beaten >= SECONDS_BETWEEN_BEATS:
            self.hold(done=done)

    def hold(self, **changes: Any) -> None:
        """Write to the job's row, and keep it."""
        self.beaten = time.monotonic()
        if _held(self.job).update(lease_until=self.clock() + LEASE, **changes) != 1:
            raise LeaseLostError
        for name, value in changes.items():
            setattr(self.job, name, value)

    def end(self, state: SetJob.State, report: dict[str, Any]) -> None:
        """The job is over, or waits for somebody's word."""
        self.hold(state=state, report=report, ended_at=self.clock())
        SetJob.objects.filter(pk=self.job.pk).update(lease_until=None)


def _held(job: SetJob) -> Any:
    return SetJob.objects.filter(pk=job.pk, attempt=job.attempt, state=SetJob.State.RUNNING)


def claimable(now: datetime) -> Q:
    """Queued, or left by a worker that is gone."""
    return Q(state=SetJob.State.QUEUED) | Q(state=SetJob.State.RUNNING, lease_until__lt=now)


def claim_job(*, job_id: uuid.UUID, now: datetime) -> SetJob | None:
    """Take a job. `None`: it needs no work, somebody has it, or another of the same kind works on the same set; two
    imports of one set go one after the other, so that each sees what the other brought."""
    with transaction.atomic():
        job = SetJob.objects.filter(claimable(now), pk=job_id).first()
        if job is None:
            return None
        ItemSet.objects.select_for_update().get(pk=job.item_set_id)
        others = SetJob.objects.filter(
            item_set=job.item_set_id, kind=job.kind, state=SetJob.State.RUNNING, lease_until__gte=now
        ).exclude(pk=job_id)
        claimed = SetJob.objects.filter(claimable(now), pk=job_id)
        if (
            others.exists()
            or claimed.update(state=SetJob.State.RUNNING, attempt=F("attempt") + 1, lease_until=now + LEASE) != 1
        ):
            return None
        return SetJob.objects.select_related("item_set__study").get(pk=job_id)


def queue_job(*, job: SetJob, options: dict[str, Any], expected: tuple[str, ...], now: datetime, enqueue: bool) -> None:
    """Hand the job to a worker, once this transaction is in the database, or (`enqueue` off) to whoever asked: they
    claim it at once. `ConflictError` where its state is none of
    the expected ones any more."""
    with transaction.atomic():
        waiting = SetJob.objects.filter(pk=job.pk, state__in=expected)
        changed = waiting.update(
            state=SetJob.State.QUEUED, options=options, done=0, total=None, report={}, attempt=0, ended_at=None,
            lease_until=now + MESSAGE_LOST_AFTER,
        )  # fmt: skip
        if changed != 1:
            raise ConflictError("This job has moved on. Look at it again.")
        job.refresh_from_db()
        if enqueue:
            transaction.on_commit(lambda: send(job), robust=True)


def send(job: SetJob) -> None:
    """A message for a worker; the sweep sends it again where it is lost."""
    from annotation.items import tasks  # noqa: PLC0415 - tasks call services

    door = tasks.run_import if job.kind == SetJob.Kind.IMPORT else tasks.run_batch
    door.apply_async((str(job.pk),))


def cancel_job(*, job: SetJob, now: datetime) -> None:
    """Stop a job; its worker notices with its next bit of progress. One that is over stays as it is."""
    SetJob.objects.filter(pk=job.pk).exclude(state__in=OVER).update(
        state=SetJob.State.CANCELLED, ended_at=now, lease_until=None
    )


def do_job(*, job_id: uuid.UUID, clock: Clock, work: Callable[[Lease], None], undo: Callable[[SetJob], None]) -> bool:
    """Claim a job and work on it; whatever happens becomes a state. `undo` takes back what a job that failed or was
    cancelled had written. `False`: there was nothing to claim."""
    job = claim_job(job_id=job_id, now=clock())
    if job is None:
        return False
    lease = Lease(job, clock)
    try:
        work(lease)
    except LeaseLostError:
        log.info("set_job_lease_lost", job=str(job.pk))
    except DomainError as error:
        _fail(lease, error.text, undo)
    except (OSError, DatabaseError) as error:
        log.warning("set_job_interrupted", job=str(job.pk), error=type(error).__name__, attempt=job.attempt)
        try_again_later(job=job, error=type(error).__name__, now=clock())
    except Exception as error:  # noqa: BLE001 - the job's last line: whatever happened becomes a state
        log.error("set_job_failed", job=str(job.pk), error=type(error).__name__)  # noqa: TRY400 - a trace may hold texts
        _fail(lease, f"{type(error).__name__}; the operator finds the job {job.pk} in the log.", undo)
    if SetJob.objects.filter(pk=job.pk, state=SetJob.State.CANCELLED).exists():
        undo(job)
    return True


def _fail(lease: Lease, text: str, undo: Callable[[SetJob], None]) -> None:
    try:
        lease.end(SetJob.State.FAILED, lease.job.report | {"error": text})
    except LeaseLostError:
        return
    undo(lease.job)


def try_again_later(*, job: SetJob, error: str, now: datetime) -> None:
    """A full disk or a database that is away recovers by itself: the sweep takes the job up again, some times."""
    if job.attempt >= MOST_ATTEMPTS:
        report = job.report | {"error": f"{error}, in {job.attempt} attempts"}
        _held(job).update(state=SetJob.State.FAILED, report=report, ended_at=now, lease_until=None)
    else:
        _held(job).update(state=SetJob.State.QUEUED, lease_until=now)


def sweep_jobs(*, now: datetime) -> list[SetJob]:
    """Take up what was left lying: jobs whose worker is gone, and messages that were lost."""
    stranded = SetJob.objects.filter(
        state__in=(SetJob.State.QUEUED, SetJob.State.RUNNING), lease_until__lt=now, attempt__lt=MOST_ATTEMPTS
    )
    sent = []
    for job in stranded:
        again = SetJob.objects.filter(pk=job.pk, state=job.state, lease_until=job.lease_until)
        if job.state == SetJob.State.RUNNING or again.update(lease_until=now + MESSAGE_LOST_AFTER) == 1:
            send(job)
            sent.append(job)
    SetJob.objects.filter(
        state=SetJob.State.RUNNING, lease_until__lt=now, attempt__gte=MOST_ATTEMPTS
    ).update(
        state=SetJob.State.FAILED, ended_at=now, lease_until=None, report={"error": "Its workers died again and again."}
    )  # fmt: skip
    return sent
