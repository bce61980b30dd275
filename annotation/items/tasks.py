"""Celery doors of item sets."""

import uuid

from celery import shared_task
from django.utils import timezone

from annotation.items.services import batch_runs, batches, import_runs, jobs, named_files
from annotation.studies.models import Study


@shared_task(name="annotation.items.tasks.run_import")
def run_import(job_id: str) -> None:
    import_runs.run_import(job_id=uuid.UUID(job_id), clock=timezone.now)


@shared_task(name="annotation.items.tasks.run_batch")
def run_batch(job_id: str) -> None:
    batch_runs.run_batch(job_id=uuid.UUID(job_id), clock=timezone.now)


@shared_task(name="annotation.items.tasks.sweep_jobs")
def sweep_jobs() -> None:
    jobs.sweep_jobs(now=timezone.now())


@shared_task(name="annotation.items.tasks.import_named_files")
def import_named_files(study_id: int) -> None:
    study = Study.objects.get(pk=study_id)
    named_files.import_named_files(study=study, clock=timezone.now)
    batches.generate_what_is_missing(study=study, actor="system", now=timezone.now())


@shared_task(name="annotation.items.tasks.import_missing_files")
def import_missing_files() -> None:
    named_files.import_missing_files(clock=timezone.now)
