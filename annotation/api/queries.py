"""Reads about tokens."""

from datetime import datetime

from annotation.api.models import ApiToken
from annotation.participation.return_tokens import token_sha256


def live_token(token: str, now: datetime) -> ApiToken | None:
    """The token that was sent, where it is good and its owner still works here."""
    found = ApiToken.objects.select_related("owner", "study").filter(sha256=token_sha256(token)).first()
    return found if found and found.is_live(now) and found.owner.is_active and found.owner.is_staff else None
