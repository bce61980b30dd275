"""What becomes of a candidate and its turn when an attempt ends: final, tried again, replaced, or the turn is void.
Every change is made under the turn's lock, so that two places never get the same replacement and exactly one job finds
the turn complete."""

import uuid
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Literal

from django.db import transaction

from annotation.conversations.models import Turn
from annotation.conversations.services.conversations import void_turn
from annotation.conversations.services.turns import enqueue
from annotation.items.models import Candidate, Generation
from annotation.items.services.candidates import replace_candidate, requeue_candidate
from annotation.items.services.generations import fail_generation, finish_generation, lose_generation
from annotation.studies.document.models import ModelRules
from annotation.studies.queries import document_of
from models_serving.catalog.services import record_revision
from models_serving.contracts import Failed, Finished

FIRST_PAUSE, LONGEST_PAUSE = 1.0, 8.0
# an answer whose workers die again and again is the answer's fault
MOST_LOST = 3


@dataclass(frozen=True, slots=True)
class Outcome:
    """What an attempt's end meant. `void`: the attempt did not count any more, or the turn is over."""

    candidate: Literal["final", "again", "replaced", "void"]
    turn_is_ready: bool = False


def settle_success(*, generation: Generation, finished: Finished, now: datetime) -> Outcome:
    """Store the answer; when it is the last one the turn is ready to be judged."""
    model = generation.served_model
    revision = record_revision(served_model=model, finished=finished) if model else None
    with transaction.atomic():
        turn = _locked_turn(generation.candidate_id)
        if not finish_generation(generation=generation, finished=finished, revision=revision, now=now):
            return Outcome("void")
        ready = not turn.item.candidates.exclude(state=Candidate.State.FINAL).exists()
        if ready:
            turn.state, turn.ready_at = Turn.State.READY, now
            turn.save(update_fields=["state", "ready_at"])
        return Outcome("final", turn_is_ready=ready)


def settle_failure(*, generation: Generation, failed: Failed, now: datetime) -> Outcome:
    """Store the failure, then do what the document says: the same model again, after a pause; then another model in its
    place, or no turn at all. A request that the endpoint refuses is not made twice."""
    with transaction.atomic():
        turn = _locked_turn(generation.candidate_id)
        if not fail_generation(generation=generation, failed=failed, now=now):
            return Outcome("void")
        candidate = Candidate.objects.select_related("item").get(pk=generation.candidate_id)
        rules = _rules(turn)
        failures = _failures(candidate)
        if failed.kind != "refused" and failures <= rules.on_failure.retries:
            pause = failed.retry_after or min(FIRST_PAUSE * 2 ** (failures - 1), LONGEST_PAUSE)
            return _again(candidate, min(pause, LONGEST_PAUSE), now)
        return _replace_or_void(turn, candidate, rules, now)


def settle_loss(*, generation: Generation, now: datetime) -> Outcome:
    """An attempt whose worker is gone: the same answer is begun again from its first token, as a new attempt. After a
    few such losses it is treated like a failure."""
    with transaction.atomic():
        turn = _locked_turn(generation.candidate_id)
        if not lose_generation(generation=generation, now=now):
            return Outcome("void")
        candidate = Candidate.objects.select_related("item").get(pk=generation.candidate_id)
        if turn.state != Turn.State.GENERATING:
            return Outcome("void")
        lost = candidate.generations.filter(state=Generation.State.LOST, pool_entry=candidate.pool_entry).count()
        if lost < MOST_LOST:
            return _again(candidate, 0, now)
        return _replace_or_void(turn, candidate, _rules(turn), now)


def _again(candidate: Candidate, pause: float, now: datetime) -> Outcome:
    requeue_candidate(candidate=candidate, due_at=now + timedelta(seconds=pause))
    enqueue([candidate.pk], countdown=pause)
    return Outcome("again")


def _replace_or_void(turn: Turn, candidate: Candidate, rules: ModelRules, now: datetime) -> Outcome:
    if rules.on_failure.then == "replace" and replace_candidate(candidate=candidate, rules=rules, now=now):
        enqueue([candidate.pk])
        return Outcome("replaced")
    reason = "no model left" if rules.on_failure.then == "replace" else "a candidate failed"
    void_turn(turn=turn, reason=reason, now=now)
    return Outcome("void")


def _failures(candidate: Candidate) -> int:
    """Failed attempts of the model that has the place now."""
    return candidate.generations.filter(state=Generation.State.FAILED, pool_entry=candidate.pool_entry).count()


def _locked_turn(candidate_id: uuid.UUID) -> Turn:
    turns = Turn.objects.select_for_update(of=("self",)).select_related("item", "conversation__version")
    return turns.get(item__candidates=candidate_id)


def _rules(turn: Turn) -> ModelRules:
    rules = document_of(turn.conversation.version).models
    if rules is None:
        raise LookupError(f"turn {turn.pk} belongs to a study without models")
    return rules
