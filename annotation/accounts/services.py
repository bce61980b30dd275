"""Writes about who: annotators and the audit log."""

from datetime import datetime
from typing import Any

from annotation.accounts.models import AuditEntry


def record_audit(
    *, actor: str, action: str, subject: str, now: datetime, details: dict[str, Any] | None = None
) -> AuditEntry:
    """Add one line to the audit log."""
    return AuditEntry.objects.create(actor=actor, action=action, subject=subject, at=now, details=details or {})
