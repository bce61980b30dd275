"""Doors for Celery."""

from celery import shared_task
from django.utils import timezone

from annotation.common.health import record_heartbeat


@shared_task
def heartbeat(queue: str) -> None:
    record_heartbeat(queue=queue, now=timezone.now())
