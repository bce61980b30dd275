"""Who may see which talk. Whoever came back with nothing but a panel id goes on at the same place and is shown nothing
of what was said before; a talk that was begun in this very session is theirs to see."""

from uuid import UUID

from django.http import HttpRequest

from annotation.conversations.models import Conversation
from annotation.participation.access import InStep, in_step
from annotation.studies.document.steps import ConversationsStep

SESSION_KEY = "talks"
Here = InStep[ConversationsStep]


def here(request: HttpRequest, pid: UUID, step: str) -> Here:
    """Somebody in a step with talks. Raises as `in_step` does."""
    return in_step(request, pid, step, ConversationsStep)


def remember(request: HttpRequest, conversation: Conversation) -> None:
    """This session began the talk."""
    request.session[SESSION_KEY] = [*request.session.get(SESSION_KEY, [])[-20:], str(conversation.pk)]


def may_see(request: HttpRequest, place: Here, conversation: Conversation) -> bool:
    """Whether this session may be shown what was said in the talk."""
    return place.trusted or str(conversation.pk) in request.session.get(SESSION_KEY, [])
