"""Writes about tokens."""

import secrets
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from django.db import transaction
from django.db.models import Q

from annotation.accounts.models import User
from annotation.accounts.services import record_audit
from annotation.api.models import ApiToken
from annotation.api.rules import may_own_tokens_of
from annotation.common.errors import DomainError, NotFoundError
from annotation.participation.return_tokens import token_sha256
from annotation.studies.models import Study
from annotation.studies.queries import document_of

BETWEEN_NOTES = timedelta(minutes=1)
Scope = ApiToken.Scope


@dataclass(frozen=True, slots=True)
class Judging:
    """What a judge's token says of the judge."""

    pool: str = ""
    language: str = ""
    rehearsal: bool = False


NO_JUDGE = Judging()


def create_token(
    *,
    name: str,
    owner: User,
    scopes: Sequence[str],
    now: datetime,
    study: Study | None = None,
    judging: Judging = NO_JUDGE,
    expires_at: datetime | None = None,
) -> tuple[ApiToken, str]:
    """Make a token, with an audit line. The second thing returned is the token itself, which is kept nowhere; its 256
    random bits make a plain hash of it safe to keep."""
    refuse_odd(owner=owner, scopes=scopes, study=study, judging=judging)
    prefix = f"pv_{secrets.token_hex(4)}"
    token = f"{prefix}_{secrets.token_urlsafe(32)}"
    with transaction.atomic():
        made = ApiToken.objects.create(
            name=name,
            owner=owner,
            study=study,
            scopes=[scope for scope in Scope.values if scope in scopes],
            prefix=prefix,
            sha256=token_sha256(token),
            pool=judging.pool,
            language=judging.language,
            rehearsal=judging.rehearsal,
            created_at=now,
            expires_at=expires_at,
        )
        details = {"scopes": made.scopes, "study": study.slug if study else None}
        record_audit(actor=owner.username, action="token.create", subject=prefix, now=now, details=details)
    return made, token


def refuse_odd(*, owner: User, scopes: Sequence[str], study: Study | None, judging: Judging) -> None:
    """Raise `DomainError` for a token that must not be."""
    unknown = sorted(set(scopes) - set(Scope.values))
    if unknown or not scopes:
        raise DomainError(f"Allowed are {', '.join(Scope.values)}; name at least one.", field="scopes")
    if study is not None and not may_own_tokens_of(owner, study):
        raise NotFoundError("There is no such study.", field="study")
    if Scope.JUDGE in scopes:
        _refuse_odd_judge(scopes, study, judging)
    elif judging != NO_JUDGE:
        raise DomainError("Pool, language and rehearsal are for judges.", field="scopes")


def _refuse_odd_judge(scopes: Sequence[str], study: Study | None, judging: Judging) -> None:
    if len(set(scopes)) > 1:
        raise DomainError("A judge must not read what others said: judge stands alone.", field="scopes")
    if study is None or study.current is None:
        raise DomainError("A judge needs a study that is published.", field="study")
    document = document_of(study.current)
    if judging.pool and judging.pool not in document.pools:
        raise DomainError(f"The study's pools are: {', '.join(document.pools) or 'none'}.", field="pool")
    if judging.language and judging.language not in document.languages:
        raise DomainError(f"The study's languages are: {', '.join(document.languages)}.", field="language")


def revoke_token(*, token: ApiToken, actor: str, now: datetime) -> bool:
    """Close it for good. The second time nothing happens."""
    with transaction.atomic():
        closed = ApiToken.objects.filter(pk=token.pk, revoked_at=None).update(revoked_at=now) == 1
        if closed:
            record_audit(actor=actor, action="token.revoke", subject=token.prefix, now=now)
    return closed


def note_use(*, token: ApiToken, now: datetime) -> None:
    """Remember when it was used last, to the minute: a busy script must not write with each request."""
    if token.last_used_at is None or token.last_used_at < now - BETWEEN_NOTES:
        stale = Q(last_used_at=None) | Q(last_used_at__lt=now - BETWEEN_NOTES)
        ApiToken.objects.filter(stale, pk=token.pk).update(last_used_at=now)
