"""WHO MAY SEE WHOSE PLACE. A session holds the participations that were begun in it, or entered by a return link (trust
`full`), or entered with nothing but a known panel id (trust `panel`: it goes on at the same place and is shown nothing
that was said or written before)."""

from dataclasses import dataclass
from typing import Generic, Literal, TypeVar
from uuid import UUID

from django.conf import settings
from django.http import HttpRequest
from django.urls import reverse
from django.utils import translation
from django.utils.translation import gettext as _

from annotation.common.errors import NotFoundError
from annotation.participation.models import Participation
from annotation.participation.return_tokens import return_token, token_sha256
from annotation.participation.steps import step_named

Kind = TypeVar("Kind")
Trust = Literal["full", "panel"]
SESSION_KEY = "participations"


def participation_for(request: HttpRequest, pid: UUID) -> Participation:
    """The participation, if this session holds it; else it does not exist. Interface texts turn to its language."""
    if str(pid) not in _held(request):
        raise NotFoundError(_("Nothing is here, or it belongs to another browser than this one."))
    participation = (
        Participation.objects.select_related("study", "version", "annotator")
        .defer("version__document", "study__draft")
        .filter(pk=pid)
        .order_by("pk")
        .first()
    )
    if participation is None:
        raise NotFoundError(_("Nothing is here any more."))
    translation.activate(participation.language)
    return participation


def has_full_trust(request: HttpRequest, participation: Participation) -> bool:
    """Whether earlier answers, drafts, transcripts and stored data may be shown."""
    return _held(request).get(str(participation.pk)) == "full"


class ElsewhereError(Exception):
    """The person is at another place than this address; they are led there."""

    def __init__(self, participation: Participation) -> None:
        super().__init__("elsewhere")
        self.participation = participation


@dataclass(frozen=True)  # no slots: an alias that is called notes itself on what it makes
class InStep(Generic[Kind]):
    """Somebody in a step of one kind. `trusted`: what they said before may be shown to this session."""

    participation: Participation
    step: Kind
    trusted: bool


def in_step(request: HttpRequest, pid: UUID, step: str, kind: type[Kind]) -> InStep[Kind]:
    """The person and the step that the address names. Raises `NotFoundError` where this session does not hold the
    participation or there is no such step of this kind, `ElsewhereError` where they are not in it (any more)."""
    participation = participation_for(request, pid)
    found = step_named(participation, step)
    if found is None or not isinstance(found[1], kind):
        raise NotFoundError(_("There is no such page."))
    if participation.state != Participation.State.ACTIVE or participation.step != found[0]:
        raise ElsewhereError(participation)
    return InStep(participation, found[1], has_full_trust(request, participation))


def grant(request: HttpRequest, participation: Participation, trust: Trust) -> None:
    """Let this session hold it. Trust that is there already is never lowered."""
    held = _held(request)
    if held.get(str(participation.pk)) != "full":
        request.session[SESSION_KEY] = held | {str(participation.pk): trust}


def held_ids(request: HttpRequest) -> list[str]:
    """The participations that this session holds."""
    return list(_held(request))


def _held(request: HttpRequest) -> dict[str, str]:
    held: dict[str, str] = request.session.get(SESSION_KEY, {})
    return held


def return_link(request: HttpRequest, participation: Participation) -> str:
    """The link as it can be given to the person; empty where the secret that made it is gone."""
    for secret in (settings.SECRET_KEY, *settings.SECRET_KEY_FALLBACKS):
        token = return_token(participation.pk, secret)
        if token_sha256(token) == participation.return_token_sha256:
            return request.build_absolute_uri(reverse("participation:return", args=[token]))
    return ""
