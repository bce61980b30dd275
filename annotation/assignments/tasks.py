"""Jobs about places."""

from celery import shared_task
from django.utils import timezone

from annotation.assignments import services
from annotation.studies.models import Study


@shared_task
def open_places_of_study(study_id: int) -> int:
    return services.open_missing_places(now=timezone.now(), study_id=study_id)


@shared_task
def open_missing_places() -> int:
    return services.open_missing_places(now=timezone.now())


@shared_task
def refresh_keys() -> int:
    return services.refresh_keys_everywhere()


@shared_task
def expire_overdue_places() -> int:
    return services.expire_overdue(now=timezone.now())


@shared_task
def reopen_withdrawn() -> int:
    return services.reopen_withdrawn(now=timezone.now())


@shared_task
def ask_again(study_id: int, step_name: str, actor: str) -> int:
    study = Study.objects.select_related("current").get(pk=study_id)
    step = next(step for step in services.comparisons_steps(study) if step.name == step_name)
    return services.ask_again(study=study, step=step, actor=actor, now=timezone.now())
