"""Requests that are sent twice and done once."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from django.db import IntegrityError, transaction

from annotation.api.models import ApiToken, KeptReply
from annotation.common.errors import ConflictError

KEPT_FOR = timedelta(days=7)


@dataclass(frozen=True, slots=True)
class Reply:
    """What a request is answered with: plain JSON."""

    status: int
    body: Any


def once(*, token: ApiToken, key: str, request_sha256: str, now: datetime, make: Callable[[], Reply]) -> Reply:
    """What `make` answers, made once per key: the second time the kept reply comes back. `ConflictError` where the key
    stands for another request. What `make` refuses leaves no trace, so that a mended request may have the same key."""
    if not key:
        return make()
    if (kept := _kept(token, key)) is not None:
        return _same(kept, request_sha256)
    try:
        with transaction.atomic():
            # of two requests at once the second waits here for the first, and then fails on its row
            row = KeptReply.objects.create(token=token, key=key, request_sha256=request_sha256, created_at=now)
            reply = make()
            KeptReply.objects.filter(pk=row.pk).update(status=reply.status, body=reply.body)
            return reply
    except IntegrityError:
        winner = _kept(token, key)
        if winner is None:
            raise
        return _same(winner, request_sha256)


def forget_replies(*, now: datetime) -> int:
    """Delete what nobody will ask for again. How many."""
    return KeptReply.objects.filter(created_at__lt=now - KEPT_FOR).delete()[0]


def _kept(token: ApiToken, key: str) -> KeptReply | None:
    return KeptReply.objects.filter(token=token, key=key).first()


def _same(kept: KeptReply, request_sha256: str) -> Reply:
    if kept.request_sha256 != request_sha256:
        raise ConflictError("This key was used for another request; its answer stays.")
    return Reply(kept.status, kept.body)
