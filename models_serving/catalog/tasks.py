"""Doors for Celery."""

from celery import shared_task
from django.utils import timezone

from models_serving.catalog import services


@shared_task
def check_all_health() -> None:
    services.check_all_health(now=timezone.now())


@shared_task
def forget_old_first_tokens() -> None:
    services.forget_old_first_tokens(now=timezone.now())
