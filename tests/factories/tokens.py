"""Tokens of the API, and clients that show them, for tests."""

import itertools
from typing import Any

from django.test import Client
from django.utils import timezone

from annotation.accounts.models import User
from annotation.api.models import ApiToken
from annotation.api.services.tokens import Judging, create_token
from annotation.studies.models import Study

_names = (f"researcher-{number}" for number in itertools.count())


def researcher(*studies: Study) -> User:
    """Staff who own these studies."""
    made = User.objects.create_user(next(_names), "r@example.org", "a good password", is_staff=True)
    for study in studies:
        study.owner = made
        study.save()
    return made


def token(owner: User, *scopes: str, study: Study | None = None, **judging: Any) -> tuple[ApiToken, str]:
    made = Judging(**judging)
    return create_token(name="a script", owner=owner, scopes=scopes, study=study, judging=made, now=timezone.now())


class Script(Client):
    """A client that shows a token and speaks JSON."""

    def __init__(self, secret: str = "", **options: Any) -> None:
        shown = {"Authorization": f"Bearer {secret}"} if secret else {}
        super().__init__(headers=shown, **options)

    def send(self, path: str, body: Any = None, key: str = "", **options: Any) -> Any:
        headers = {"Idempotency-Key": key} if key else {}
        return self.post(f"/api/v1/{path}", body or {}, content_type="application/json", headers=headers, **options)

    def ask(self, path: str, **query: Any) -> Any:
        return self.get(f"/api/v1/{path}", query)


def script(owner: User, *scopes: str, study: Study | None = None, **judging: Any) -> Script:
    """A script with a token of its own."""
    return Script(token(owner, *scopes, study=study, **judging)[1])
