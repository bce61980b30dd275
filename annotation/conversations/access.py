"""Who may see which talk. Whoever came back with nothing but a panel id goes on at the same place and is shown nothing
of what was said before; a talk that was begun in this very session is theirs to see."""

from dataclasses import dataclass
from uuid import UUID

from django.http import HttpRequest

from annotation.common.errors import NotFoundError
from annotation.conversations.models import Conversation
from annotation.participation.access import has_full_trust, participation_for
from annotation.participation.models import Participation
from annotation.participation.steps import step_named
from annotation.studies.document.steps import ConversationsStep

SESSION_KEY = "talks"


class ElsewhereError(Exception):
    """The person is at another place than this address; they are led there."""

    def __init__(self, participation: Participation) -> None:
        super().__init__("elsewhere")
        self.participation = participation


@dataclass(frozen=True, slots=True)
class Here:
    """Somebody in a step with talks."""

    participation: Participation
    step: ConversationsStep
    trusted: bool


def here(request: HttpRequest, pid: UUID, step: str) -> Here:
    """The person and the step that the address names. Raises `NotFoundError` where this session does not hold the
    participation or there is no such step, `ElsewhereError` where they are not in it (any more)."""
    participation = participation_for(request, pid)
    found = step_named(participation, step)
    if found is None or not isinstance(found[1], ConversationsStep):
        raise NotFoundError("There is no such page.")
    if participation.state != Participation.State.ACTIVE or participation.step != found[0]:
        raise ElsewhereError(participation)
    return Here(participation, found[1], has_full_trust(request, participation))


def remember(request: HttpRequest, conversation: Conversation) -> None:
    """This session began the talk."""
    request.session[SESSION_KEY] = [*request.session.get(SESSION_KEY, [])[-20:], str(conversation.pk)]


def may_see(request: HttpRequest, place: Here, conversation: Conversation) -> bool:
    """Whether this session may be shown what was said in the talk."""
    return place.trusted or str(conversation.pk) in request.session.get(SESSION_KEY, [])
