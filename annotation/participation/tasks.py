"""Jobs of the schedule."""

from celery import shared_task
from django.utils import timezone

from annotation.participation import services


@shared_task
def release_stale_seats() -> int:
    return services.release_stale_seats(now=timezone.now())


@shared_task
def erase_expired_identities() -> int:
    return services.erase_expired_identities(now=timezone.now())
