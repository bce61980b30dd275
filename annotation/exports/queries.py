"""Reads about releases."""

from datetime import datetime
from typing import Any

from django.db.models import F, Q, QuerySet

from annotation.exports.models import ExportRun, ExportSchedule, ReleasedPerson
from annotation.participation.models import Withdrawal
from annotation.studies.models import Study


def due_schedules(now: datetime) -> QuerySet[ExportSchedule]:
    return ExportSchedule.objects.filter(enabled=True, next_due_at__lte=now).select_related("crontab", "study")


def schedules_without_time() -> QuerySet[ExportSchedule]:
    return ExportSchedule.objects.filter(enabled=True, next_due_at=None).select_related("crontab")


def claimable(now: datetime) -> Q:
    """Runs that nobody works on: queued, or running with a lease that ran out."""
    return Q(state=ExportRun.State.QUEUED) | Q(state=ExportRun.State.RUNNING, lease_until__lt=now)


def stranded_runs(now: datetime) -> list[ExportRun]:
    """Runs to hand to a worker: their message is lost, or the worker that had them is."""
    waiting = Q(state=ExportRun.State.QUEUED, lease_until__lt=now)
    return list(ExportRun.objects.filter(waiting | Q(state=ExportRun.State.RUNNING, lease_until__lt=now)))


def tombstones(study: Study, *, rehearsal: bool) -> list[dict[str, Any]]:
    """Everybody who withdrew from the study, with the names that they have in earlier releases."""
    withdrawals = Withdrawal.objects.filter(participation__study=study, participation__rehearsal=rehearsal).order_by(
        "at", "pk"
    )
    named = ReleasedPerson.objects.filter(participation__withdrawal__in=withdrawals).order_by("run__created_at", "run")
    released: dict[Any, list[dict[str, str]]] = {}
    for row in named:
        entry = {"release": str(row.run_id), "name": row.name}
        released.setdefault(row.participation_id, []).append(entry)
    return [
        {"withdrawn_at": row.at.isoformat(), "released_as": released.get(row.participation_id, [])}
        for row in withdrawals
    ]


def current_manifest(run: ExportRun) -> dict[str, Any]:
    """The manifest of a release as it is handed out now: the release never changes, the list of the people in it who
    have withdrawn since does."""
    since = (
        ReleasedPerson.objects.filter(run=run, participation__withdrawal__isnull=False)
        .annotate(withdrawn_at=F("participation__withdrawal__at"))
        .order_by("withdrawn_at", "pk")
    )
    gone = [{"name": row.name, "withdrawn_at": row.withdrawn_at.isoformat()} for row in since]
    return {**run.manifest, "withdrawn_since": gone}


def withdrew_meanwhile(people: dict[Any, str], study: Study) -> bool:
    """Whether somebody who is in a release that is being built has withdrawn."""
    withdrawn = Withdrawal.objects.filter(participation__study=study).values_list("participation_id", flat=True)
    return any(person in people for person in withdrawn)
