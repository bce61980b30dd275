"""The stream of a turn: server-sent events from its log."""

from uuid import UUID

from asgiref.sync import sync_to_async
from django.http import HttpRequest, HttpResponseBase, StreamingHttpResponse
from django.utils.translation import gettext as _
from django.views.decorators.http import require_GET

from annotation.common.connections import let_go
from annotation.common.errors import NotFoundError
from annotation.conversations.access import Here, may_see
from annotation.conversations.live import turn_log
from annotation.conversations.models import Turn
from annotation.conversations.queries import rules_for, step_of, turn_of, turn_state
from annotation.conversations.relay import Showing, relay
from annotation.participation.access import has_full_trust, participation_for

HEADERS = {"X-Accel-Buffering": "no", "Cache-Control": "no-store, no-transform"}


@require_GET
async def turn_events(request: HttpRequest, pid: UUID, step: str, turn: UUID) -> HttpResponseBase:
    """Relays the turn's log from `Last-Event-ID` on, paced as the document says. It is read-only: whoever leaves stops
    nothing."""
    showing = await sync_to_async(_showing)(request, pid, turn)

    async def is_over() -> str:
        return await sync_to_async(_over)(turn)

    after = _last_event_id(request)
    stream = relay(turn_log(), showing, after=after, is_over=is_over)
    return StreamingHttpResponse(stream, content_type="text/event-stream", headers=HEADERS)


def _showing(request: HttpRequest, pid: UUID, turn_id: UUID) -> Showing:
    """What may be relayed to this session; else it does not exist."""
    participation = participation_for(request, pid)
    turn = turn_of(participation, turn_id)
    if turn is None:
        raise NotFoundError(_("There is no such turn."))
    step = step_of(turn.conversation.version, turn.conversation.step)
    if not may_see(request, Here(participation, step, has_full_trust(request, participation)), turn.conversation):
        raise NotFoundError(_("There is no such turn."))
    rules = rules_for(step, turn.number)
    showing = Showing(
        turn_id=turn.pk,
        slots=tuple(turn.assignment.presentation.slots()),
        mode=rules.reveal,
        hold=rules.hold,
        pace=rules.pace,
        started=turn.started_at.timestamp(),
    )
    let_go()
    return showing


def _over(turn_id: UUID) -> str:
    state = turn_state(turn_id)
    let_go()
    return {Turn.State.GENERATING.value: ""}.get(state, "void" if state in {Turn.State.VOID, ""} else "ready")


def _last_event_id(request: HttpRequest) -> int:
    raw = request.headers.get("Last-Event-ID", "")
    return int(raw) if raw.isdigit() and len(raw) < 10 else 0
