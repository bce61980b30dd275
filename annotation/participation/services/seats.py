"""Seats in the course of a participation."""

from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any

from django.conf import settings
from django.db import transaction

from annotation.participation.models import Participation
from annotation.participation.queries import stored_answers
from annotation.participation.services.moving import MOVED, end_participation
from annotation.participation.services.places import cell_of, ensure_cells, give_back_seats, take_seat
from annotation.studies.queries import document_of


def take_seats(*, participation: Participation, answers: Mapping[str, Mapping[str, Any]], now: datetime) -> bool:
    """Take the seats that `answers` (question → stored answer) call for, and give back those that a changed answer
    leaves. Where a cell is full the participation ends as `full`. Bots take no seat from anybody."""
    document = document_of(participation.version)
    asked = [quota for quota in document.quotas if quota.by in answers]
    if participation.rehearsal or not asked:
        return True
    with transaction.atomic():
        current = participation.study.current
        ensure_cells(participation, own=document, current=document_of(current) if current else document)
        for quota in asked:
            cell = cell_of(quota, answers[quota.by])
            if {"quota": quota.name, "cell": cell} in participation.quota_cells:
                continue
            give_back_seats(participation, quota=quota.name)
            if cell is not None and not take_seat(participation, quota.name, cell):
                end_participation(participation=participation, state=Participation.State.FULL, now=now)
                return False
    return True


def release_stale_seats(*, now: datetime) -> int:
    """Give back the seats of people who have not been seen for too long, and say so in their state. How many."""
    limit = now - timedelta(hours=settings.SEAT_TIMEOUT_HOURS)
    stale = Participation.objects.filter(
        state=Participation.State.ACTIVE, last_seen_at__lt=limit, asked_back=""
    ).exclude(quota_cells=[])
    return sum(_release(pk, limit, now) for pk in stale.values_list("pk", flat=True))


def _release(pk: Any, limit: datetime, now: datetime) -> int:
    with transaction.atomic():
        # read again under the lock: they may have come back in the meantime
        participation = (
            Participation.objects.select_for_update(of=("self",), no_key=True).select_related("version").get(pk=pk)
        )
        if participation.last_seen_at >= limit:
            return 0
        return int(end_participation(participation=participation, state=Participation.State.TIMED_OUT, now=now))


def reopen(*, participation: Participation, now: datetime) -> bool:
    """Somebody whose seats were given back wants to go on: if there are seats they do, else they end as full."""
    with transaction.atomic():
        timed_out = Participation.objects.filter(pk=participation.pk, state=Participation.State.TIMED_OUT)
        back = timed_out.update(state=Participation.State.ACTIVE, ended_at=None, last_seen_at=now)
        participation.refresh_from_db(fields=MOVED)
        return back == 1 and take_seats(participation=participation, answers=stored_answers(participation), now=now)
