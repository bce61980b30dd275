"""Writes about talks: begin, finish, leave."""

import uuid
from datetime import datetime

from django.db import transaction
from django.db.models import Max
from django.utils.translation import gettext as _

from annotation.assignments.services import assign_to_author, present_in_order, skip_assignment
from annotation.common.errors import ConflictError, DomainError, NotFoundError
from annotation.common.seeds import derive_seed
from annotation.conversations.live import TurnEvent, turn_log
from annotation.conversations.models import Conversation, Turn
from annotation.conversations.queries import (
    after_assignments,
    chosen_path,
    finished_count,
    messages_of,
    newest,
    next_after,
    of_person,
    open_conversation,
    step_of,
    turns_of,
    type_counts,
)
from annotation.conversations.rules import is_under_way, may_finish
from annotation.conversations.services.admission import give_room_back, hold_room, take_room
from annotation.conversations.services.openings import opening_for
from annotation.items.models import Item
from annotation.items.services.candidates import add_live_item
from annotation.items.services.generations import cancel_generations
from annotation.participation.models import Participation
from annotation.participation.services import complete_step
from annotation.studies.document.steps import ConversationsStep


class TypeRefusedError(DomainError):
    """The type cannot be chosen (any more)."""

    status = 422


def start_conversation(*, participation: Participation, step: str, kind: str, now: datetime) -> Conversation:
    """Begin a talk of that type. A second time while nothing was said yet it is the same talk, with the type that was
    chosen last; once something was said it is `ConflictError`. Where the step admits so many at once,
    `AdmissionNeededError` for whoever has no room."""
    rules = step_of(participation.version, step)
    with transaction.atomic():
        Participation.objects.select_for_update(of=("self",)).get(pk=participation.pk)
        current = open_conversation(participation, step)
        if current is not None and (current.state != Conversation.State.OPEN or current.turns.exists()):
            raise ConflictError(_("A conversation is open already. Finish it first."))
        if finished_count(participation, step) >= rules.count:
            raise ConflictError(_("All conversations are finished."))
        check_type(participation=participation, step=rules, kind=kind)
        room = hold_room(participation=participation, step=rules, now=now)
        if current is not None:
            current.type, current.started_at = kind, now
            current.save(update_fields=["type", "started_at"])
            return current
        talks = Conversation.objects.filter(participation=participation, step=step)
        last = talks.aggregate(last=Max("number"))["last"]
        number = 0 if last is None else last + 1
        conversation = Conversation.objects.create(
            participation=participation,
            version=participation.version,
            step=step,
            number=number,
            type=kind,
            opening=opening_for(participation=participation, step=rules, number=number),
            started_at=now,
        )
        take_room(admission=room, conversation=conversation, now=now)
        return conversation


def finish_conversation(*, conversation_id: uuid.UUID, participation: Participation, now: datetime) -> Conversation:
    """End the talk itself: places for the questions after it are made, all at once. Without such questions the talk is
    finished. A second time nothing happens."""
    with transaction.atomic():
        conversation = lock_conversation(conversation_id, participation)
        if conversation.state != Conversation.State.OPEN:
            return conversation
        step = step_of(conversation.version, conversation.step)
        if not may_finish(conversation, step, turns_of(conversation)):
            words = _("A conversation has at least %(least)s turns, each with its answers judged.")
            raise ConflictError(words % {"least": step.turns.min})
        _open_blocks(conversation, step, now)
        conversation.state = Conversation.State.AFTER
        conversation.save(update_fields=["state"])
        give_room_back(participation=participation, now=now)
        close_if_answered(conversation=conversation, step=step, now=now)
        return conversation


def close_if_answered(*, conversation: Conversation, step: ConversationsStep, now: datetime) -> None:
    """When no question after the talk is open any more: the talk is finished, and after the last talk the step."""
    if next_after(conversation, step) is not None:
        return
    conversation.state, conversation.finished_at = Conversation.State.FINISHED, now
    conversation.save(update_fields=["state", "finished_at"])
    if finished_count(conversation.participation, conversation.step) >= step.count:
        complete_step(participation=conversation.participation, step=step.name, now=now)


def abandon_conversation(*, conversation_id: uuid.UUID, participation: Participation, now: datetime) -> None:
    """Leave a talk unfinished: its jobs stop, its places are skipped; what was said stays stored, and another talk can
    be begun in its place. A second time nothing happens."""
    with transaction.atomic():
        conversation = lock_conversation(conversation_id, participation)
        if conversation.state not in {Conversation.State.OPEN, Conversation.State.AFTER}:
            return
        conversation.state, conversation.finished_at = Conversation.State.ABANDONED, now
        conversation.save(update_fields=["state", "finished_at"])
        give_room_back(participation=participation, now=now)
        last = newest(turns_of(conversation))
        if last is not None and is_under_way(last):
            void_turn(turn=last, reason="abandoned", now=now)
        for place in after_assignments(conversation, step_of(conversation.version, conversation.step)):
            skip_assignment(assignment_id=place.pk)


def void_turn(*, turn: Turn, reason: str, now: datetime) -> None:
    """A turn that led to nothing: its jobs stop, its place is skipped, whoever watches is told."""
    turn.state, turn.details = Turn.State.VOID, turn.details | {"void": reason}
    turn.save(update_fields=["state", "details"])
    cancel_generations(item=turn.item, now=now)
    skip_assignment(assignment_id=turn.assignment_id)
    event = TurnEvent("void", now.timestamp())
    transaction.on_commit(lambda: turn_log().append(turn.pk, event), robust=True)


def lock_conversation(conversation_id: uuid.UUID, participation: Participation) -> Conversation:
    """The person's own talk, locked until the transaction ends; else it does not exist."""
    conversation = of_person(Conversation.objects.select_for_update().filter(pk=conversation_id), participation)
    if conversation is None:
        raise NotFoundError(_("There is no such conversation."))
    return conversation


def check_type(*, participation: Participation, step: ConversationsStep, kind: str) -> None:
    """Raises `TypeRefusedError` where no talk of that type can be begun."""
    if not step.types and not kind:
        return
    count = next((count for count in type_counts(participation, step) if count.name == kind), None)
    if count is None:
        raise TypeRefusedError(_("Choose what type of conversation you want to have."), field="type")
    if not count.allowed:
        raise TypeRefusedError(_("You have had all conversations of this type. Choose another one."), field="type")


def _open_blocks(conversation: Conversation, step: ConversationsStep, now: datetime) -> None:
    """One place a block: about the opening exchange under the letters it was shown with, or about the whole talk, which
    is an item of its own."""
    path = chosen_path(turns_of(conversation))
    whole: Item | None = None
    for block in step.after:
        if block.about == "opening":
            item, order = path[0].item, path[0].assignment.presentation.order
        else:
            context = {"conversation": str(conversation.pk), "messages": messages_of(path)}
            whole = whole or add_live_item(author_id=conversation.participation_id, context=context, now=now)
            item, order = whole, []
        place = assign_to_author(item=item, protocol=block.name, participation=conversation.participation, now=now)
        seed = derive_seed(conversation.participation.seed, step.name, conversation.number, block.name)
        present_in_order(assignment=place, order=order, seed=seed, reveal="", now=now)
