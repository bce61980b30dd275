"""Doors for Celery."""

from celery import shared_task
from django.utils import timezone

from models_serving.catalog import services


@shared_task
def check_all_health() -> None:
    services.check_due_health(now=timezone.now())


@shared_task
def begin_due_trials() -> None:
    services.begin_due_trials(now=timezone.now())


@shared_task
def try_endpoint(endpoint_id: int) -> None:
    services.run_trial(endpoint_id=endpoint_id)


@shared_task
def forget_old_times() -> None:
    services.forget_old_times(now=timezone.now())
