"""Writes about admission: who waits, who may talk. Every decision is made under one lock, the rows of the catalogue's
models, because talks of different studies ask the same endpoints."""

from datetime import datetime, timedelta

from django.db import transaction
from django.db.models import Q

from annotation.common.errors import ConflictError
from annotation.conversations.capacity import Load, Loads, capacity_of, fits
from annotation.conversations.models import Admission, Conversation
from annotation.conversations.queries import step_of
from annotation.participation.models import Participation
from annotation.studies.document.steps import Admission as Rules
from annotation.studies.document.steps import ConversationsStep
from models_serving.catalog.queries import lock_models

State = Admission.State
OPEN = (State.WAITING, State.ADMITTED)
ACTIVE = Participation.State.ACTIVE
# who has not been seen for so long is passed over, and keeps their place
PRESENT = timedelta(seconds=60)
# who was admitted begins within so long, or waits again
BEGINS_WITHIN = timedelta(minutes=2)
# so many from the head of the line look whether somebody can be let in
FRONT = 10


class AdmissionNeededError(ConflictError):
    """All room is taken; the person waits."""


def ask_admission(*, participation: Participation, step: ConversationsStep, kind: str, now: datetime) -> Admission:
    """Get in line for a talk of that type, or keep the place in it, and be admitted where there is room."""
    with transaction.atomic():
        Participation.objects.select_for_update(of=("self",)).get(pk=participation.pk)
        found = participation.admissions.filter(state__in=OPEN).first()
        if found is None:
            found = Admission.objects.create(
                participation=participation,
                version=participation.version,
                step=step.name,
                type=kind,
                asked_at=now,
                seen_at=now,
            )
        else:
            found.type = kind
            found.save(update_fields=["type"])
    note_presence(participation=participation, now=now)
    found.refresh_from_db()
    return found


def note_presence(*, participation: Participation, now: datetime) -> None:
    """A sign of life: whoever is admitted keeps their room, whoever waits is let in where it is their turn."""
    found = participation.admissions.filter(state__in=OPEN).select_related("version").first()
    if found is None:
        return
    Admission.objects.filter(pk=found.pk).update(seen_at=now)
    if not _keep_room(found, now) and _is_in_front(found, now):
        admit_waiting(now=now)


def admit_waiting(*, now: datetime) -> int:
    """Let in whoever fits, in the order in which they asked; how many. Who is not present keeps their place and is
    passed over; who does not fit keeps everybody behind them waiting who would ask the same models."""
    with transaction.atomic():
        lock_models()
        _take_back_room(now)
        present = Q(state=State.ADMITTED) | Q(state=State.WAITING, seen_at__gt=now - PRESENT)
        found = Admission.objects.filter(present, participation__state=ACTIVE).select_related("version")
        rows = list(found.order_by("asked_at", "pk"))
        loads = Loads(now)
        used: dict[int, float] = {}
        for row in rows:
            if row.state == State.ADMITTED:
                _add(used, loads.of(row.version, row.step))
        kept: set[int] = set()
        admitted = 0
        for row in rows:
            if row.state == State.WAITING:
                admitted += _admitted(row, loads.of(row.version, row.step), used, kept, now)
        return admitted


def hold_room(*, participation: Participation, step: ConversationsStep, now: datetime) -> Admission | None:
    """The person's room, held on from now; `None` where the step admits everybody. Raises `AdmissionNeededError` where
    they have none; call `ask_admission` first."""
    if step.admission is None:
        return None
    found = participation.admissions.filter(state=State.ADMITTED).select_related("version").first()
    if found is None or not _keep_room(found, now):
        raise AdmissionNeededError("All places for conversations are taken at the moment.")
    return found


def take_room(*, admission: Admission | None, conversation: Conversation, now: datetime) -> None:
    """The talk that the room is for has begun."""
    if admission is not None:
        admission.conversation = conversation
        admission.save(update_fields=["conversation"])
        _keep_room(admission, now)


def give_room_back(*, participation: Participation, now: datetime) -> None:
    """The talk is over: the next one waits in line like everybody's."""
    participation.admissions.filter(state__in=OPEN).update(state=State.OVER, until=None, ended_at=now)


def _admitted(row: Admission, load: Load, used: dict[int, float], kept: set[int], now: datetime) -> bool:
    rules = _rules(step_of(row.version, row.step))
    capacity = {pk: capacity_of(pk, rules.first_token, now) for pk in load}
    if not load or kept & load.keys() or not fits(load, used, capacity):
        kept.update(load)
        return False
    _add(used, load)
    row.state, row.admitted_at, row.until = State.ADMITTED, now, _end(row, rules, now)
    row.save(update_fields=["state", "admitted_at", "until"])
    return True


def _is_in_front(row: Admission, now: datetime) -> bool:
    """Whoever is far behind need not lock everybody to learn that it is not their turn."""
    before = Admission.objects.filter(state=State.WAITING, asked_at__lt=row.asked_at, seen_at__gt=now - PRESENT)
    before = before.filter(participation__state=ACTIVE)
    return before.count() < FRONT


def _take_back_room(now: datetime) -> None:
    """Whoever gave no sign of life waits again, at the place that they had; so does whoever left the study, in case
    they come back to it."""
    admitted = Admission.objects.filter(state=State.ADMITTED)
    for row in admitted.filter(until__lte=now, conversation__isnull=False).select_related("version", "participation"):
        # what is typed is saved as it is typed
        until = _end(row, _rules(step_of(row.version, row.step)), row.participation.last_seen_at)
        if until > now:
            admitted.filter(pk=row.pk).update(until=until)
    admitted.filter(Q(until__lte=now) | ~Q(participation__state=ACTIVE)).update(state=State.WAITING, until=None)


def _keep_room(row: Admission, now: datetime) -> bool:
    """Conditional, so that room that was taken back meanwhile stays taken back."""
    until = _end(row, _rules(step_of(row.version, row.step)), now)
    if row.conversation_id is None and row.until is not None:
        # looking at the page does not prolong the time in which to begin
        until = row.until
    return Admission.objects.filter(pk=row.pk, state=State.ADMITTED, until__gt=now).update(until=until) == 1


def _end(row: Admission, rules: Rules, now: datetime) -> datetime:
    return now + (timedelta(minutes=rules.idle) if row.conversation_id else BEGINS_WITHIN)


def _rules(step: ConversationsStep) -> Rules:
    if step.admission is None:
        raise LookupError(f"step {step.name} admits everybody")
    return step.admission


def _add(used: dict[int, float], load: Load) -> None:
    for pk, share in load.items():
        used[pk] = used.get(pk, 0.0) + share
