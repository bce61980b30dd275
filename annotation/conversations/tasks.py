"""Celery doors of live talks."""

import uuid

from celery import shared_task
from django.utils import timezone

from annotation.conversations.services import sweeping
from annotation.conversations.services.generation import generate


@shared_task(name="annotation.conversations.tasks.generate_candidate")
def generate_candidate(candidate_id: str) -> None:
    generate(candidate_id=uuid.UUID(candidate_id), clock=timezone.now)


@shared_task(name="annotation.conversations.tasks.stop_answers")
def stop_answers(participation_id: str) -> None:
    sweeping.stop_answers(participation_id=uuid.UUID(participation_id), now=timezone.now())


@shared_task(name="annotation.conversations.tasks.sweep_generations")
def sweep_generations() -> None:
    sweeping.sweep_generations(now=timezone.now())


@shared_task(name="annotation.conversations.tasks.prune_turn_logs")
def prune_turn_logs() -> None:
    sweeping.prune_turn_logs(now=timezone.now())
