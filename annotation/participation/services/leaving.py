"""Leaving: withdrawal, and the end of what is kept about who somebody is."""

from datetime import datetime, timedelta

import structlog
from django.db import transaction
from django.utils.translation import gettext as _

from annotation.accounts.models import Annotator, Identity
from annotation.accounts.services import erase_identity, record_audit
from annotation.common.errors import ConflictError
from annotation.items.services.written import hold_written
from annotation.participation.left import tell_withdrawn
from annotation.participation.models import Draft, Participation, Withdrawal
from annotation.participation.rules import may_withdraw
from annotation.participation.services.moving import MOVED
from annotation.participation.services.places import give_back_seats
from annotation.studies.queries import document_of

log = structlog.get_logger()


def withdraw(*, participation: Participation, reason: str, actor: str, now: datetime) -> Withdrawal:
    """Leave a tombstone, end it, give seats back, erase drafts and who the person is outside, hold back what others
    were to judge of what they wrote, have answers stopped that are on their way, and write the audit log. From now on
    no export has any row of theirs. The second time gives the first tombstone."""
    with transaction.atomic():
        rows = Participation.objects.select_for_update(of=("self",), no_key=True)
        locked = rows.select_related("version", "annotator").get(pk=participation.pk)
        known: Withdrawal | None = Withdrawal.objects.filter(participation=locked).first()
        if known is not None:
            return known
        if reason == "person" and not may_withdraw(locked, now):
            raise ConflictError(_("The time for withdrawing is over."))
        if locked.state != Participation.State.COMPLETED:
            give_back_seats(locked)
        Participation.objects.filter(pk=locked.pk).update(
            state=Participation.State.WITHDRAWN,
            ended_at=locked.ended_at or now,
            panel_study_id="",
            panel_session_id="",
        )
        Draft.objects.filter(participation=locked).delete()
        hold_written(authors=[locked.pk])
        _erase_who(locked)
        tombstone: Withdrawal = Withdrawal.objects.create(participation=locked, reason=reason, at=now)
        record_audit(actor=actor, action="withdraw", subject=f"participation {locked.pk}", now=now)
        tell_withdrawn(locked.pk)
    participation.refresh_from_db(fields=[*MOVED, "annotator", "panel_study_id", "panel_session_id"])
    log.info("participation_withdrawn", participation=str(participation.pk), reason=reason)
    return tombstone


def _erase_who(participation: Participation) -> None:
    """Nothing leads from what stays to the person outside. Where they still take part in another study under the same
    identity, it is this participation that is cut off from it."""
    others = Participation.objects.filter(annotator=participation.annotator).exclude(pk=participation.pk)
    if others.exclude(state=Participation.State.WITHDRAWN).exists():
        alone = Annotator.objects.create(kind=participation.annotator.kind)
        Participation.objects.filter(pk=participation.pk).update(annotator=alone)
    else:
        erase_identity(annotator=participation.annotator)


def erase_expired_identities(*, now: datetime) -> int:
    """Erase the identities of people all of whose participations ended longer ago than their studies keep them."""
    erased = 0
    for annotator in Annotator.objects.filter(pk__in=Identity.objects.values("annotator")).iterator():
        participations = annotator.participations.select_related("version")
        if participations and all(_is_expired(one, now) for one in participations):
            erase_identity(annotator=annotator)
            participations.update(panel_study_id="", panel_session_id="")
            record_audit(actor="system", action="erase identity", subject=f"annotator {annotator.pk}", now=now)
            erased += 1
    return erased


def _is_expired(participation: Participation, now: datetime) -> bool:
    days = document_of(participation.version).retention.identity_days
    last = participation.ended_at or participation.last_seen_at
    return days is not None and last + timedelta(days=days) < now
