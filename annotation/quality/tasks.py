"""Celery doors of quality."""

from celery import shared_task
from django.utils import timezone

from annotation.quality import services
from annotation.studies.models import Study


@shared_task(name="annotation.quality.tasks.raise_flags")
def raise_flags() -> None:
    services.raise_flags_everywhere(now=timezone.now())


@shared_task(name="annotation.quality.tasks.raise_flags_of_study")
def raise_flags_of_study(study_id: int) -> int:
    return services.raise_flags(study=Study.objects.select_related("current").get(pk=study_id), now=timezone.now())
