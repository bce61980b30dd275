"""Who asks: `Authorization: Bearer pv_…`, and nothing else. There are no sessions here, hence no forged requests."""

from django.utils import timezone
from rest_framework.authentication import BaseAuthentication
from rest_framework.exceptions import AuthenticationFailed
from rest_framework.request import Request

from annotation.accounts.models import User
from annotation.api.models import ApiToken
from annotation.api.queries import live_token
from annotation.api.services.tokens import note_use


class TokenAuthentication(BaseAuthentication):
    """`request.auth` is the token, `request.user` its owner."""

    def authenticate(self, request: Request) -> tuple[User, ApiToken] | None:
        word, _, token = request.META.get("HTTP_AUTHORIZATION", "").partition(" ")
        if not word:
            return None
        now = timezone.now()
        found = live_token(token.strip(), now) if word.lower() == "bearer" else None
        if found is None:
            raise AuthenticationFailed("The token is not known, or not good any more.")
        note_use(token=found, now=now)
        return found.owner, found

    def authenticate_header(self, request: Request) -> str:
        return "Bearer"
