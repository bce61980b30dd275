"""Writes about imports: take a file, ask for a dry run, ask for the import. What a worker does then is in
import_runs.py."""

import re
import shutil
import uuid
from collections.abc import Iterable
from datetime import datetime
from itertools import islice
from pathlib import Path
from typing import Any

from django.conf import settings
from django.db import transaction

from annotation.accounts.services import record_audit
from annotation.common.errors import ConflictError, DocumentError, DomainError
from annotation.items.importing.mapping import read_mapping
from annotation.items.importing.problems import Problem
from annotation.items.importing.proposing import SAMPLE_ROWS, Field, fields_of, proposed, remarks
from annotation.items.importing.sources import Source, open_source
from annotation.items.models import ItemSet, SetJob
from annotation.items.services.jobs import queue_job
from annotation.studies.models import Study

WAITING = (SetJob.State.UPLOADED, SetJob.State.CHECKED, SetJob.State.FAILED, SetJob.State.CANCELLED)


class TooLargeError(DomainError):
    """The file is larger than the installation allows."""

    status = 413


def item_set_named(*, study: Study | None, name: str, licence: str = "") -> ItemSet:
    """The study's item set of that name, made where there is none."""
    if not re.fullmatch(r"[A-Za-z][A-Za-z0-9_-]{0,79}", name):
        raise DomainError("A set's name is made of letters, digits, - and _, and begins with a letter.", field="name")
    made, _ = ItemSet.objects.get_or_create(study=study, name=name, defaults={"licence": licence})
    if licence and made.licence != licence:
        ItemSet.objects.filter(pk=made.pk).update(licence=licence)
        made.licence = licence
    return made


def receive_file(*, item_set: ItemSet, file_name: str, pieces: Iterable[bytes], actor: str, now: datetime) -> SetJob:
    """Store what somebody sends, look at its first rows and propose a mapping: a job that waits for its mapping. A file
    that cannot be read at all leaves nothing behind."""
    job_id = uuid.uuid4()
    folder = Path(settings.IMPORTS_DIR) / str(job_id)
    name = re.sub(r"[^A-Za-z0-9._-]+", "_", Path(file_name).name)[-100:].strip(".") or "file"
    try:
        _write(folder / "upload" / name, pieces)
        return _waiting_job(job_id, item_set, folder / "upload" / name, actor, now, own=True)
    except BaseException:
        shutil.rmtree(folder, ignore_errors=True)
        raise


def take_path(*, item_set: ItemSet, path: Path, actor: str, now: datetime) -> SetJob:
    """The same for a file or folder on this machine, which is read where it lies."""
    return _waiting_job(uuid.uuid4(), item_set, path.resolve(), actor, now, own=False)


def _write(target: Path, pieces: Iterable[bytes]) -> None:
    target.parent.mkdir(parents=True)
    written, most = 0, settings.IMPORT_MAX_MB * 2**20
    with target.open("wb") as out:
        for piece in pieces:
            written += len(piece)
            if written > most:
                raise TooLargeError(f"The file is larger than the {settings.IMPORT_MAX_MB} MB that are allowed.")
            out.write(piece)


def _waiting_job(job_id: uuid.UUID, item_set: ItemSet, path: Path, actor: str, now: datetime, *, own: bool) -> SetJob:
    options: dict[str, Any] = {"path": str(path), "file": path.name, "own": own}
    job = SetJob(pk=job_id, item_set=item_set, kind=SetJob.Kind.IMPORT, state=SetJob.State.UPLOADED, created_at=now)
    job.options, job.created_by = options, actor
    source = source_of(job)
    rows, fields = sample(source)
    options |= {"format": source.format, "columns": [[one.path, one.kind, one.sample()] for one in fields.values()]}
    remembered = {path: use for path, use in item_set.mapping.items() if path in fields}
    options["mapping"] = remembered if remembered and len(remembered) == len(item_set.mapping) else proposed(rows)
    options["remarks"] = remarks(fields, options["mapping"])
    with transaction.atomic():
        job.save(force_insert=True)
        details = {"set": item_set.name, "file": path.name}
        record_audit(actor=actor, action="items.upload", subject=f"import {job.pk}", now=now, details=details)
    return job


def sample(source: Source) -> tuple[list[dict[str, Any]], dict[str, Field]]:
    """The first rows that can be read, and the paths in them. Raises `DomainError` where there are none."""
    first = list(islice(source.rows(), SAMPLE_ROWS))
    rows = [row.values for row in first if not isinstance(row, Problem)]
    if not rows:
        raise DomainError(str(first[0]) if first else "The file has no rows.", field="file")
    return rows, fields_of(rows)


def source_of(job: SetJob) -> Source:
    """The rows of a job's file; an archive is unpacked the first time."""
    path, unpacked = Path(job.options["path"]), Path(settings.IMPORTS_DIR) / str(job.pk) / "unpacked"
    if unpacked.is_dir() and any(unpacked.iterdir()):
        return open_source(unpacked)
    return open_source(path, unpack_into=unpacked)


def request_check(*, job: SetJob, mapping: dict[str, str], now: datetime, enqueue: bool = True) -> None:
    """Ask for a dry run under that mapping. Raises `DocumentError` where the mapping makes no sense for the file."""
    checked = read_mapping(mapping, columns=[path for path, _, _ in job.options["columns"]])
    options = job.options | {"mapping": checked.as_dict(), "dry_run": True}
    queue_job(job=job, options=options, expected=WAITING, now=now, enqueue=enqueue)


def request_import(*, job: SetJob, actor: str, now: datetime, enqueue: bool = True) -> None:
    """Ask for the import itself, after a dry run that found nothing wrong; else it is refused."""
    if job.state == SetJob.State.CHECKED and job.report.get("wrong"):
        raise ConflictError("Nothing is imported while rows are wrong. Correct the file or the mapping first.")
    options = job.options | {"dry_run": False}
    with transaction.atomic():
        queue_job(job=job, options=options, expected=(SetJob.State.CHECKED,), now=now, enqueue=enqueue)
        record_audit(actor=actor, action="items.import", subject=f"import {job.pk}", now=now)


def drop_upload(job: SetJob) -> None:
    """Forget the file that was sent, and what it was unpacked to."""
    shutil.rmtree(Path(settings.IMPORTS_DIR) / str(job.pk), ignore_errors=True)


def as_lines(error: DomainError) -> list[str]:
    """The mistakes of a mapping, one a line."""
    if isinstance(error, DocumentError):
        return [f"{path}: {text}" for path, text in error.problems]
    return [error.text]
