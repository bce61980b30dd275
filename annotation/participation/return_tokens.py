"""The secret of a personal return link. It follows from the participation's id, so that it can be shown again; what is
stored is its SHA-256 alone."""

import hashlib
import hmac
from uuid import UUID

from django.conf import settings
from django.utils.encoding import force_bytes


def return_token(pid: UUID, secret: str | bytes | None = None) -> str:
    """The token under the installation's key, or under an earlier one."""
    key = force_bytes(secret or settings.SECRET_KEY)
    return hmac.new(key, f"return/{pid}".encode(), hashlib.sha256).hexdigest()


def token_sha256(token: str) -> str:
    return hashlib.sha256(token.encode()).hexdigest()
