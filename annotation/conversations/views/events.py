"""The stream of a turn: server-sent events from its log, asked for by itself or in answer to a message."""

from collections.abc import AsyncIterator, Awaitable, Callable
from uuid import UUID

from asgiref.sync import sync_to_async
from django.http import HttpRequest, HttpResponse, HttpResponseBase, StreamingHttpResponse
from django.utils.translation import gettext as _
from django.views.decorators.http import require_GET

from annotation.common.connections import let_go
from annotation.common.errors import NotFoundError
from annotation.conversations.access import Here, may_see
from annotation.conversations.live import turn_log
from annotation.conversations.models import Turn
from annotation.conversations.queries import rules_for, step_of, turn_of, turn_state
from annotation.conversations.relay import Showing, encoded, relay
from annotation.conversations.reveal import Told
from annotation.participation.access import has_full_trust, participation_for
from annotation.studies.document.steps import ConversationsStep

EVENT_STREAM = "text/event-stream"
HEADERS = {"X-Accel-Buffering": "no", "Cache-Control": "no-store, no-transform"}


@require_GET
async def turn_events(request: HttpRequest, pid: UUID, step: str, turn: UUID) -> HttpResponseBase:
    """Relays the turn's log on from an event that was seen, paced as the document says. It is read-only: whoever leaves
    stops nothing."""
    showing = await sync_to_async(_asked_for)(request, pid, turn)
    return _stream(relay(turn_log(), showing, after=_last_seen(request), is_over=_is_over(turn)))


def takes_stream(request: HttpRequest) -> bool:
    """Whether the page's script can read a stream in answer to a form. It says so; who takes anything does not."""
    return EVENT_STREAM in request.headers.get("Accept", "")


def page_and_stream(page: HttpResponse, turn: Turn, step: ConversationsStep) -> HttpResponseBase:
    """The page as the first event of its turn's stream: who has just sent a message need not ask for its answers."""
    let_go()
    told = relay(turn_log(), _showing(turn, step), after=0, is_over=_is_over(turn.pk))
    return _stream(_after_page(page.text, told))


async def _after_page(page: str, told: AsyncIterator[bytes]) -> AsyncIterator[bytes]:
    yield encoded([Told("page", {"html": page})])
    async for part in told:
        yield part


def _stream(told: AsyncIterator[bytes]) -> StreamingHttpResponse:
    return StreamingHttpResponse(told, content_type=EVENT_STREAM, headers=HEADERS)


def _asked_for(request: HttpRequest, pid: UUID, turn_id: UUID) -> Showing:
    """What may be relayed to this session; else it does not exist."""
    participation = participation_for(request, pid)
    turn = turn_of(participation, turn_id)
    if turn is None:
        raise NotFoundError(_("There is no such turn."))
    step = step_of(turn.conversation.version, turn.conversation.step)
    if not may_see(request, Here(participation, step, has_full_trust(request, participation)), turn.conversation):
        raise NotFoundError(_("There is no such turn."))
    showing = _showing(turn, step)
    let_go()
    return showing


def _showing(turn: Turn, step: ConversationsStep) -> Showing:
    rules = rules_for(step, turn.number)
    return Showing(
        turn_id=turn.pk,
        slots=tuple(turn.assignment.presentation.slots()),
        mode=rules.reveal,
        hold=rules.hold,
        pace=rules.pace,
        started=turn.started_at.timestamp(),
    )


def _is_over(turn_id: UUID) -> Callable[[], Awaitable[str]]:
    async def is_over() -> str:
        return await sync_to_async(_over)(turn_id)

    return is_over


def _over(turn_id: UUID) -> str:
    state = turn_state(turn_id)
    let_go()
    return {Turn.State.GENERATING.value: ""}.get(state, "void" if state in {Turn.State.VOID, ""} else "ready")


def _last_seen(request: HttpRequest) -> int:
    """The number of the last event that the browser has: it says so itself when it asks again, and the page's script
    when it goes on with a stream that it got in another way."""
    raw = request.headers.get("Last-Event-ID", "") or request.GET.get("after", "")
    return int(raw) if raw.isascii() and raw.isdigit() and len(raw) < 10 else 0
