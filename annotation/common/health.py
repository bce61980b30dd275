"""Is the site able to work? Each part answers for itself. Names no model: annotators may read what this says."""

import os
import shutil
from collections.abc import Callable
from dataclasses import asdict, dataclass
from datetime import datetime, timedelta
from typing import Any

from django.apps import apps
from django.conf import settings
from django.db import DatabaseError, connection
from django.db.models import QuerySet

from annotation.common.models import Heartbeat
from models_serving.catalog.queries import answering, taking_work

QUEUES = ("default", "generation", "upkeep")
# beat sends every 5 s: three in a row have to be lost
SILENCE = timedelta(seconds=15)
# jobs that can take all places of a queue for long: rows with a lease
LONG_JOBS: dict[str, tuple[tuple[str, str, dict[str, str]], ...]] = {
    "default": (("exports", "ExportRun", {}), ("items", "SetJob", {"kind": "import"})),
    "generation": (("items", "Generation", {}), ("items", "SetJob", {"kind": "generation"})),
}
LEAST_DISK = 50 * 1024 * 1024


@dataclass(frozen=True, slots=True)
class Part:
    """One thing that has to work, and a word about it that may be shown to anybody."""

    ok: bool
    detail: str = ""


def record_heartbeat(*, queue: str, now: datetime) -> None:
    """A worker took a message from this queue."""
    Heartbeat.objects.update_or_create(queue=queue, defaults={"at": now})


def readiness(now: datetime) -> dict[str, Any]:
    """What `/readyz` says: ready only when every part is."""
    parts = {name: _asked(part, now) for name, part in PARTS.items()}
    return {"ready": all(part.ok for part in parts.values()), "parts": {name: asdict(p) for name, p in parts.items()}}


def _asked(part: Callable[[datetime], Part], now: datetime) -> Part:
    try:
        return part(now)
    except DatabaseError:
        return Part(ok=False, detail="the database does not answer")


def _database(now: datetime) -> Part:
    with connection.cursor() as cursor:
        cursor.execute("SELECT 1")
    return Part(ok=True)


def _storage(now: datetime) -> Part:
    if not os.access(settings.DATA_DIR, os.W_OK):
        return Part(ok=False, detail="the data folder cannot be written to")
    if shutil.disk_usage(settings.DATA_DIR).free < LEAST_DISK:
        return Part(ok=False, detail="the disk is full")
    return Part(ok=True)


def _workers(now: datetime) -> Part:
    """Broker, beat and a worker for each queue: a heartbeat has passed through all of them, or waits behind jobs that
    are at work."""
    heard = dict(Heartbeat.objects.filter(at__gte=now - SILENCE).values_list("queue", "at"))
    silent = [queue for queue in QUEUES if queue not in heard and not _is_at_work(queue, now)]
    return Part(ok=not silent, detail=f"nothing heard of: {', '.join(silent)}" if silent else "")


def _is_at_work(queue: str, now: datetime) -> bool:
    """Whether somebody keeps the lease of a job of that queue. Rows of apps above this one, without importing them."""
    for app, model, kind in LONG_JOBS.get(queue, ()):
        rows: QuerySet[Any] = QuerySet(apps.get_model(app, model))
        if rows.filter(state="running", lease_until__gt=now, **kind).exists():
            return True
    return False


def _models(now: datetime) -> Part:
    # one that was drained or switched off on purpose is not waited for
    answer, all_of = answering(now).count(), taking_work().count()
    return Part(ok=answer == all_of, detail=f"{answer} of {all_of} answer")


PARTS: dict[str, Callable[[datetime], Part]] = {
    "database": _database,
    "storage": _storage,
    "workers": _workers,
    "models": _models,
}
