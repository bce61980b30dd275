"""Celery doors."""

from celery import shared_task
from django.utils import timezone

from annotation.api.services import replies


@shared_task(ignore_result=True)
def forget_replies() -> None:
    replies.forget_replies(now=timezone.now())
