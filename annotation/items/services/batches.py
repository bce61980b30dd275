"""Writes about batch generation: candidates for a set of prompts, as the study's published document says. What a worker
does then is in batch_runs.py."""

from datetime import datetime

from django.db import transaction
from django.db.models import QuerySet

from annotation.accounts.services import record_audit
from annotation.common.errors import ConflictError, DomainError
from annotation.items.models import Candidate, Item, ItemSet, SetJob
from annotation.items.services.jobs import MESSAGE_LOST_AFTER, send
from annotation.studies.document import StudyDocument
from annotation.studies.document.recipes import SetRecipe
from annotation.studies.models import Study
from annotation.studies.queries import document_of

# answers that are asked for at the same moment, of all models together
AT_ONCE = 4
UNDER_WAY = (SetJob.State.QUEUED, SetJob.State.RUNNING)


def request_generation(
    *,
    item_set: ItemSet,
    actor: str,
    now: datetime,
    at_once: int = AT_ONCE,
    retry_failed: bool = False,
    enqueue: bool = True,
) -> SetJob:
    """Ask for the candidates that the set's items lack; with `retry_failed` also again for those that failed. What is
    there stays. With `enqueue` off whoever asks claims the job at once. `ConflictError` while another is under way,
    `DomainError` where the document says nothing of how."""
    if item_set.study is None or item_set.study.current is None:
        raise DomainError("The study is not published yet; its published document says how candidates are made.")
    if recipe_of(document_of(item_set.study.current), item_set.name) is None:
        raise DomainError(f"The document gives no recipe for candidates of {item_set.name}: item_sets.….candidates.")
    with transaction.atomic():
        ItemSet.objects.select_for_update().get(pk=item_set.pk)
        jobs = SetJob.objects.filter(item_set=item_set, kind=SetJob.Kind.GENERATION, state__in=UNDER_WAY)
        if jobs.exists():
            raise ConflictError("Candidates of this set are being generated already.")
        if retry_failed:
            _queue_failed_again(item_set, now)
        job = SetJob.objects.create(
            item_set=item_set,
            kind=SetJob.Kind.GENERATION,
            state=SetJob.State.QUEUED,
            options={"version": item_set.study.current_id, "at_once": max(at_once, 1)},
            lease_until=now + MESSAGE_LOST_AFTER,
            created_by=actor,
            created_at=now,
        )
        record_audit(actor=actor, action="items.generate", subject=f"item set {item_set.pk}", now=now)
        if enqueue:
            transaction.on_commit(lambda: send(job), robust=True)
    return job


def generate_what_is_missing(*, study: Study, actor: str, now: datetime) -> list[SetJob]:
    """Ask for candidates for every set that has a recipe and items without any. The second time nothing happens."""
    if study.current is None:
        return []
    jobs = []
    for item_set in ItemSet.objects.filter(study=study).select_related("study__current"):
        under_way = item_set.jobs.filter(state__in=UNDER_WAY).exists()
        if recipe_of(document_of(study.current), item_set.name) and lacking(item_set).exists() and not under_way:
            jobs.append(request_generation(item_set=item_set, actor=actor, now=now))
    return jobs


def recipe_of(document: StudyDocument, name: str) -> SetRecipe | None:
    """How candidates of that set are generated; `None` where they come with the items."""
    rules = document.item_sets.get(name)
    return rules.candidates if rules and rules.candidates.recipe != "imported" else None


def lacking(item_set: ItemSet) -> QuerySet[Item]:
    """Items without any candidate, in the order of the set."""
    return Item.objects.filter(item_set=item_set, candidates__isnull=True).order_by("ordinal", "pk")


def _queue_failed_again(item_set: ItemSet, now: datetime) -> None:
    failed = Candidate.objects.filter(item__item_set=item_set, state=Candidate.State.FAILED)
    failed.update(state=Candidate.State.QUEUED, due_at=now)
