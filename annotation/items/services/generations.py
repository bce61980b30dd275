"""Writes about attempts to generate a candidate. A running attempt is a lease: every write of a job names its attempt
and changes a row only while that attempt still runs, so that a writer who was given up for lost changes nothing."""

import uuid
from collections.abc import Collection
from dataclasses import asdict
from datetime import datetime
from typing import Any

from django.db import transaction
from django.db.models import OuterRef, Subquery

from annotation.items.asking import texts_in
from annotation.items.models import Candidate, Generation, Item
from annotation.items.services.candidates import written_together
from models_serving.catalog.models import ModelRevision
from models_serving.contracts import Failed, Finished

RUNNING = Generation.State.RUNNING


def claim_generation(*, candidate_id: uuid.UUID, lease_until: datetime, now: datetime) -> Generation | None:
    """Take a queued candidate (*queued → running*) and open its next attempt. `None`: somebody else has it, or it needs
    no work; so a message that arrives twice does nothing the second time."""
    with transaction.atomic():
        # one without a due time is written by another candidate's job
        queued = Candidate.objects.filter(pk=candidate_id, state=Candidate.State.QUEUED, due_at__isnull=False)
        if queued.update(state=Candidate.State.RUNNING) != 1:
            return None
        last = Generation.objects.filter(candidate=OuterRef("pk")).order_by("-attempt").values("attempt")[:1]
        candidates = Candidate.objects.select_related("served_model", "item").annotate(last_attempt=Subquery(last))
        candidate = candidates.get(pk=candidate_id)
        return Generation.objects.create(
            candidate=candidate,
            attempt=(candidate.last_attempt or 0) + 1,
            lease_until=lease_until,
            pool_entry=candidate.pool_entry,
            served_model=candidate.served_model,
            started_at=now,
        )


def still_running(generation_ids: Collection[uuid.UUID], *, lease_until: datetime | None = None) -> set[uuid.UUID]:
    """Which of these attempts still run: nobody took them over or cancelled them. With `lease_until` they are kept."""
    running = Generation.objects.filter(pk__in=generation_ids, state=RUNNING)
    if lease_until is not None:
        running.update(lease_until=lease_until)
    return set(running.values_list("pk", flat=True))


def finish_generation(
    *, generation: Generation, finished: Finished, revision: ModelRevision | None, now: datetime
) -> bool:
    """Store an answer and make its candidate final, or all candidates that the call was to write. `False`: the attempt
    had been taken over, nothing was stored."""
    candidate = generation.candidate
    texts = texts_in(finished.text, candidate)
    if texts is None:
        raise ValueError(f"attempt {generation.pk} did not write what was asked for")
    with transaction.atomic():
        kept = Generation.objects.filter(pk=generation.pk, state=RUNNING).update(
            state=Generation.State.DONE,
            lease_until=None,
            revision=revision,
            request=dict(finished.sent),
            report=dict(finished.report),
            route=_route(finished),
            text=finished.text,
            finish_reason=finished.finish_reason,
            prompt_tokens=finished.usage.prompt_tokens,
            completion_tokens=finished.usage.completion_tokens,
            first_token_s=finished.timings.first_token,
            finished_s=finished.timings.finished,
            ended_at=now,
        )
        if kept == 1:
            for one, text in zip(written_together(candidate), texts, strict=True):
                Candidate.objects.filter(pk=one.pk).update(
                    state=Candidate.State.FINAL, content={"text": text}, generation=generation.pk, due_at=None
                )
        return kept == 1


def fail_generation(*, generation: Generation, failed: Failed, now: datetime) -> bool:
    """Store a failed attempt and what had arrived of it. What becomes of its candidate is the caller's next call."""
    return (
        Generation.objects.filter(pk=generation.pk, state=RUNNING).update(
            state=Generation.State.FAILED,
            lease_until=None,
            request=dict(failed.sent),
            report=dict(failed.report),
            route=_route(failed),
            text=failed.text,
            error_kind=failed.kind,
            error=failed.error[:500],
            first_token_s=failed.timings.first_token,
            finished_s=failed.timings.finished,
            ended_at=now,
        )
        == 1
    )


def _route(end: Finished | Failed) -> dict[str, Any]:
    """Which endpoint was the last to be asked, and what was tried before."""
    return {"endpoint": end.endpoint, "tries": [asdict(one) for one in end.tries]}


def lose_generation(*, generation: Generation, now: datetime) -> bool:
    """Give up an attempt whose lease ran out. `False`: it was renewed or ended in the meantime."""
    expired = Generation.objects.filter(pk=generation.pk, state=RUNNING, lease_until__lt=now)
    return expired.update(state=Generation.State.LOST, lease_until=None, ended_at=now) == 1


def cancel_generations(*, item: Item, now: datetime) -> None:
    """End all work on an item: running attempts become cancelled, what is not final becomes failed."""
    with transaction.atomic():
        Generation.objects.filter(candidate__item=item, state=RUNNING).update(
            state=Generation.State.CANCELLED, lease_until=None, ended_at=now
        )
        item.candidates.exclude(state=Candidate.State.FINAL).update(state=Candidate.State.FAILED, due_at=None)
