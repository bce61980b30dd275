"""What a scheduled job puts right: attempts whose worker is gone, messages that were lost, answers for people who have
left, logs that nobody needs."""

import uuid
from collections.abc import Iterator
from datetime import datetime, timedelta

from django.db import transaction
from django.db.models import F, Max, QuerySet
from django.db.models.functions import Coalesce

from annotation.conversations.live import TurnEvent, turn_log
from annotation.conversations.models import Turn
from annotation.conversations.services.conversations import void_turn
from annotation.conversations.services.settling import settle_loss
from annotation.conversations.services.turns import enqueue
from annotation.items.models import Candidate, Generation
from annotation.participation.models import Participation

MESSAGE_LOST_AFTER, LONGEST_PAUSE = timedelta(seconds=10), timedelta(seconds=60)
LOG_KEPT_AFTER_THE_TURN = timedelta(hours=1)


def sweep_generations(*, now: datetime) -> dict[str, int]:
    """Take up what was left lying. Any number of sweeps at once do it once: each row is claimed by a conditional
    update."""
    left = _void_left(_of_who_left(), now)
    # those of item sets belong to the set's job
    expired = Generation.objects.filter(
        state=Generation.State.RUNNING, lease_until__lt=now, candidate__item__turn__isnull=False
    ).select_related("candidate")
    lost = [_take_up(generation, now) for generation in expired]
    return {"left": left, "lost": sum(lost), "sent_again": sum(1 for _ in _send_again(now))}


def stop_answers(*, participation_id: uuid.UUID, now: datetime) -> int:
    """End what is under way for one who has just left, before a sweep comes. How many turns that were."""
    return _void_left(_of_who_left().filter(conversation__participation=participation_id), now)


def prune_turn_logs(*, now: datetime) -> int:
    """Drop the logs of turns that are over for a while. Pages read the database from then on."""
    over = Turn.objects.exclude(state=Turn.State.GENERATING).filter(
        started_at__lt=now - LOG_KEPT_AFTER_THE_TURN, log_dropped_at__isnull=True
    )
    dropped = 0
    for turn in over.only("pk").iterator():
        turn_log().drop(turn.pk)
        dropped += Turn.objects.filter(pk=turn.pk).update(log_dropped_at=now)
    return dropped


def _of_who_left() -> QuerySet[Turn]:
    """Turns whose answers are under way for whoever withdrew, or was away for too long: nobody will see them."""
    generating = Turn.objects.filter(state=Turn.State.GENERATING)
    return generating.exclude(conversation__participation__state=Participation.State.ACTIVE)


def _void_left(left: QuerySet[Turn], now: datetime) -> int:
    """Stop their answers; each is looked at again under its lock."""
    generating = Turn.objects.filter(state=Turn.State.GENERATING)
    voided = 0
    for pk in list(left.values_list("pk", flat=True)):
        with transaction.atomic():
            turn = generating.select_for_update(of=("self",)).select_related("item").filter(pk=pk).first()
            if turn is not None:
                void_turn(turn=turn, reason="left", now=now)
                voided += 1
    return voided


def _take_up(generation: Generation, now: datetime) -> bool:
    turn = Turn.objects.select_related("assignment__presentation").get(item__candidates=generation.candidate_id)
    outcome = settle_loss(generation=generation, now=now)
    if outcome.candidate in {"again", "replaced"}:
        slots = turn.assignment.presentation.slots()
        slot = next(slot for slot, pk in slots.items() if pk == str(generation.candidate_id))
        turn_log().append(turn.pk, TurnEvent("reset", now.timestamp(), slot, generation.attempt))
    return outcome.candidate != "void"


def _send_again(now: datetime) -> Iterator[Candidate]:
    """What nobody took up, because its message was lost or because the workers are behind. Where they are, every
    further message makes them later: so the pauses between two grow with the time since the first."""
    overdue = Candidate.objects.filter(
        state=Candidate.State.QUEUED,
        due_at__lt=now - MESSAGE_LOST_AFTER,
        item__turn__state=Turn.State.GENERATING,
    ).annotate(queued_at=Coalesce(Max("generations__ended_at"), F("item__turn__started_at")))
    for candidate in overdue:
        last, first = candidate.due_at, candidate.queued_at
        if last is None or now - last < min(last - first, LONGEST_PAUSE):
            continue
        claimed = Candidate.objects.filter(pk=candidate.pk, state=Candidate.State.QUEUED, due_at=last)
        if claimed.update(due_at=now) == 1:
            enqueue([candidate.pk])
            yield candidate
