"""Writes about turns: a message opens one, a judgement closes it."""

import uuid
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from datetime import datetime
from functools import partial
from typing import Any

from django.db import transaction
from django.utils.translation import gettext as _

from annotation.assignments.services import assign_to_author, present_candidates
from annotation.common.errors import ConflictError, NotFoundError
from annotation.common.seeds import derive_seed
from annotation.conversations.models import Conversation, Turn
from annotation.conversations.queries import (
    chosen_path,
    messages_of,
    newest,
    opening_text,
    rules_for,
    step_of,
    turns_of,
)
from annotation.conversations.rules import is_under_way, may_write, next_number
from annotation.conversations.services.admission import AdmissionNeededError, hold_room
from annotation.conversations.services.conversations import close_if_answered, lock_conversation, void_turn
from annotation.items.recipes import NothingToDrawError
from annotation.items.services.candidates import add_candidates, add_live_item
from annotation.judgements.models import Judgement
from annotation.judgements.services import Submission, submit_judgement
from annotation.participation.models import Participation
from annotation.studies.document.steps import ConversationsStep
from annotation.studies.queries import document_of
from annotation.studies.questions.base import Fields


@dataclass(frozen=True, slots=True)
class Spoken:
    """A message of the person: its text, the form's one-time key, and how it was written."""

    text: str
    key: str
    details: dict[str, Any]


@dataclass(frozen=True, slots=True)
class Started:
    """A turn whose answers begin, and all turns of its talk, this one too: who shows them need not read them again."""

    turn: Turn
    turns: list[Turn]


def start_turn(*, conversation_id: uuid.UUID, participation: Participation, spoken: Spoken, now: datetime) -> Started:
    """Take a message and decide everything about its answers before the first token.

    In one transaction: the turn, its item with the whole history, a queued candidate a place with its draw, a place
    for the judgement leased to this person, and the order of the slots; on commit one job a candidate. The same key
    gives the same turn again; with another text it is `ConflictError`, as is a message while answers are under way.
    `AdmissionNeededError` where the talk's room was given to somebody else meanwhile."""
    with transaction.atomic():
        conversation = lock_conversation(conversation_id, participation)
        turns = turns_of(conversation)
        spoken = _as_shared(conversation, turns, spoken)
        earlier = next((turn for turn in turns if turn.key == spoken.key), None)
        if earlier is not None:
            return Started(_same(earlier, spoken), turns)
        step = step_of(conversation.version, conversation.step)
        last = newest(turns)
        if is_under_way(last):
            raise ConflictError(_("The answers to your last message come first."))
        if not may_write(conversation, step, last):
            raise ConflictError(_("This conversation takes no more messages."))
        hold_room(participation=participation, step=step, now=now)
        turn = _open_turn(conversation, step, turns, spoken, now)
        return Started(turn, [*turns, turn])


def retry_turn(*, turn_id: uuid.UUID, participation: Participation, key: str, now: datetime) -> Started:
    """Ask again what led to nothing: a sibling turn with the same text. The same key gives the same sibling.
    `AdmissionNeededError` as with a message."""
    turn = Turn.objects.filter(pk=turn_id, conversation__participation=participation).first()
    if turn is None:
        raise NotFoundError(_("There is no such turn."))
    why = "after_none" if turn.state == Turn.State.JUDGED else "retry_of"
    spoken = Spoken(turn.user_text, key, {why: str(turn.pk)})
    return start_turn(conversation_id=turn.conversation_id, participation=participation, spoken=spoken, now=now)


def stop_turn(*, turn_id: uuid.UUID, participation: Participation, now: datetime) -> Turn:
    """Stop answers that are still being written: the jobs end and the turn is void, so that the message can be changed
    or sent again. Answers that are complete already stay to be judged; a second time nothing happens."""
    with transaction.atomic():
        turn = _own_turn(turn_id, participation)
        if turn.state == Turn.State.GENERATING:
            void_turn(turn=turn, reason="stopped", now=now)
        return turn


def judge_turn(
    *,
    turn_id: uuid.UUID,
    participation: Participation,
    key: str,
    fields: Fields,
    timings: dict[str, Any],
    shown: dict[str, Any],
    now: datetime,
) -> Submission:
    """Store the judgement of a turn and go on from the chosen answer. In one transaction with `submit_judgement`: the
    turn becomes *judged*, what the browser saw is added to the showing. Where none was acceptable the same
    message is answered anew; where there is no room for that, or no model, it waits for `retry_turn`. A known key
    changes nothing."""
    with transaction.atomic():
        turn = _own_turn(turn_id, participation)
        if turn.state not in {Turn.State.READY, Turn.State.JUDGED}:
            raise ConflictError(_("These answers are not complete, or are not there any more."))
        submission = submit_judgement(
            assignment_id=turn.assignment_id,
            participation=participation,
            key=key,
            fields=fields,
            timings=timings,
            now=now,
        )
        if not submission.repeated:
            _close_turn(turn, submission.judgement, shown, now)
        return submission


def judge_after(
    *,
    assignment_id: uuid.UUID,
    conversation_id: uuid.UUID,
    participation: Participation,
    key: str,
    fields: Fields,
    timings: dict[str, Any],
    now: datetime,
) -> Submission:
    """Store the answers of a block after a talk; with the last block the talk is finished. A known key changes
    nothing."""
    with transaction.atomic():
        conversation = lock_conversation(conversation_id, participation)
        submission = submit_judgement(
            assignment_id=assignment_id,
            participation=participation,
            key=key,
            fields=fields,
            timings=timings,
            now=now,
        )
        if not submission.repeated:
            step = step_of(conversation.version, conversation.step)
            close_if_answered(conversation=conversation, step=step, now=now)
        return submission


def enqueue(candidate_ids: Sequence[uuid.UUID], countdown: float = 0) -> None:
    """Send a message a candidate once this transaction is in the database. A message that cannot be sent is no loss:
    the sweep finds the row."""
    from annotation.conversations.tasks import generate_candidate  # noqa: PLC0415 - tasks call services

    for candidate_id in candidate_ids:
        send = partial(generate_candidate.apply_async, (str(candidate_id),), countdown=countdown)
        transaction.on_commit(send, robust=True)


def _as_shared(conversation: Conversation, turns: Sequence[Turn], spoken: Spoken) -> Spoken:
    """A talk with a shared first message begins with it, whatever was posted."""
    shared = opening_text(conversation)
    return replace(spoken, text=shared) if shared and not chosen_path(turns) else spoken


def _same(earlier: Turn, spoken: Spoken) -> Turn:
    if earlier.user_text != spoken.text:
        raise ConflictError(_("Your first message is saved and stays as it is; this one differs from it."))
    return earlier


def _open_turn(
    conversation: Conversation, step: ConversationsStep, turns: Sequence[Turn], spoken: Spoken, now: datetime
) -> Turn:
    last, path = newest(turns), chosen_path(turns)
    parent = path[-1] if path else None
    number = next_number(last)
    attempt = last.attempt + 1 if last is not None and last.number == number else 0
    rules = rules_for(step, number)
    participation = conversation.participation
    document = document_of(conversation.version)
    if document.models is None:
        raise ConflictError(_("This study has no models to talk with."))
    seed = derive_seed(participation.seed, step.name, conversation.number, number, attempt)
    history = [*messages_of(path), {"role": "user", "content": spoken.text}]
    item = add_live_item(author_id=participation.pk, context={"messages": history}, now=now)
    candidates = add_candidates(
        item=item,
        rules=document.models,
        recipe=rules.candidates,
        chosen=parent.chosen.pool_entry if parent is not None and parent.chosen is not None else "",
        messages=history,
        seed=seed,
        now=now,
    )
    assignment = assign_to_author(item=item, protocol=rules.protocol, participation=participation, now=now)
    present_candidates(
        assignment=assignment,
        candidates=candidates,
        shuffled=document.protocols[rules.protocol].order == "shuffled",
        seed=derive_seed(seed, "order"),
        reveal=rules.reveal,
        now=now,
    )
    turn = Turn.objects.create(
        conversation=conversation,
        parent=parent,
        number=number,
        attempt=attempt,
        user_text=spoken.text,
        key=spoken.key,
        item=item,
        assignment=assignment,
        details=spoken.details,
        started_at=now,
    )
    enqueue([candidate.pk for candidate in candidates if candidate.due_at is not None])
    return turn


def _own_turn(turn_id: uuid.UUID, participation: Participation) -> Turn:
    """The person's own turn, locked until the transaction ends; else it does not exist."""
    turns = Turn.objects.select_for_update(of=("self",)).select_related(
        "conversation__version", "conversation__participation", "item", "assignment__presentation"
    )
    turns = turns.defer("conversation__version__document")
    turn = turns.filter(pk=turn_id, conversation__participation=participation).order_by("pk").first()
    if turn is None:
        raise NotFoundError(_("There is no such turn."))
    return turn


def _close_turn(turn: Turn, judgement: Judgement, shown: dict[str, Any], now: datetime) -> None:
    turn.state, turn.chosen_id = Turn.State.JUDGED, judgement.chosen_id
    turn.save(update_fields=["state", "chosen"])
    presentation = turn.assignment.presentation
    presentation.shown = presentation.shown | shown
    presentation.save(update_fields=["shown"])
    if judgement.chosen_id is None:
        # the judgement stands, whether new candidates can be had now or not
        with suppress(AdmissionNeededError, NothingToDrawError), transaction.atomic():
            _answer_anew(turn, judgement, now)


def _answer_anew(turn: Turn, judgement: Judgement, now: datetime) -> None:
    """None was acceptable: the same message is answered by new candidates."""
    talk = turn.conversation
    step = step_of(talk.version, talk.step)
    hold_room(participation=talk.participation, step=step, now=now)
    spoken = Spoken(turn.user_text, f"again-{judgement.pk}", {"after_none": str(turn.pk)})
    _open_turn(talk, step, turns_of(talk), spoken, now)
