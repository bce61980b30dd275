"""Writes about who: annotators and the audit log."""

import secrets
from datetime import datetime
from typing import Any

from django.db import IntegrityError, transaction

from annotation.accounts.models import Annotator, AuditEntry, Identity, User


def record_audit(
    *, actor: str, action: str, subject: str, now: datetime, details: dict[str, Any] | None = None
) -> AuditEntry:
    """Add one line to the audit log."""
    return AuditEntry.objects.create(actor=actor, action=action, subject=subject, at=now, details=details or {})


def annotator_for(*, provider: str, external_id: str, kind: str, details: dict[str, str]) -> Annotator:
    """The annotator that this panel id belongs to; the first time, a new one with an identity. Two requests at once get
    the same one."""
    known = _by_identity(provider, external_id)
    if known is not None:
        return known
    try:
        # a savepoint: the loser of a race goes on in its own transaction
        with transaction.atomic():
            annotator = Annotator.objects.create(kind=kind)
            Identity.objects.create(annotator=annotator, provider=provider, external_id=external_id, details=details)
            return annotator
    except IntegrityError:
        winner = _by_identity(provider, external_id)
        if winner is None:
            raise
        return winner


def erase_identity(*, annotator: Annotator) -> None:
    """Forget who an annotator is outside. What they answered stays under their pseudonym."""
    Identity.objects.filter(annotator=annotator).delete()


def _by_identity(provider: str, external_id: str) -> Annotator | None:
    identity = Identity.objects.select_related("annotator")
    found = identity.filter(provider=provider, external_id=external_id).first()
    return found.annotator if found else None


def create_first_admin(*, now: datetime) -> str:
    """Make the user `admin` where there is no administrator yet, and return its password, which is stored nowhere in
    clear. Where there is one, change nothing and return an empty text."""
    with transaction.atomic():
        if User.objects.filter(is_superuser=True).exists():
            return ""
        password = secrets.token_urlsafe(12)
        User.objects.create_superuser(username="admin", password=password)
        record_audit(actor="system", action="user.create", subject="admin", now=now)
    return password
