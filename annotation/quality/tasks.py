"""Celery doors of quality."""

from celery import shared_task
from django.utils import timezone

from annotation.quality import services
from annotation.studies.models import Study


@shared_task(name="annotation.quality.tasks.raise_flags")
def raise_flags() -> None:
    """Every study that people can take part in, or could until somebody closed it today."""
    for study in Study.objects.filter(state__in=[Study.State.OPEN, Study.State.PAUSED]).select_related("current"):
        services.raise_flags(study=study, now=timezone.now())
