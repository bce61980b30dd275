"""Doors for jobs."""

from uuid import UUID

from celery import shared_task
from django.utils import timezone

from annotation.exports import services


@shared_task
def start_due() -> None:
    services.start_due(now=timezone.now())


@shared_task
def run_export(run_id: str) -> None:
    services.run_export(UUID(run_id), now=timezone.now)
