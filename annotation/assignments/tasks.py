"""Jobs about places."""

from celery import shared_task
from django.utils import timezone

from annotation.assignments import services


@shared_task
def open_places_of_study(study_id: int) -> int:
    return services.open_missing_places(now=timezone.now(), study_id=study_id)


@shared_task
def open_missing_places() -> int:
    return services.open_missing_places(now=timezone.now())


@shared_task
def expire_overdue_places() -> int:
    return services.expire_overdue(now=timezone.now())
