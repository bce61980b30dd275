"""The page of a talk, and everything that can be done on it."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any
from uuid import UUID

from django.http import HttpRequest, HttpResponse, HttpResponseBase
from django.shortcuts import redirect, render
from django.utils import timezone
from django.utils.translation import gettext as _

from annotation.common.errors import ConflictError, DomainError, NotFoundError
from annotation.common.timers import read_timers
from annotation.conversations.access import Here, here, may_see, remember
from annotation.conversations.forms import MessageForm, read_shown
from annotation.conversations.line import InLine, line_of
from annotation.conversations.models import Conversation, Turn
from annotation.conversations.pages import after_page, talk_page, types_page, waiting_page
from annotation.conversations.queries import open_conversation, turn_of
from annotation.conversations.services.admission import AdmissionNeededError, ask_admission, note_presence
from annotation.conversations.services.conversations import (
    TypeRefusedError,
    abandon_conversation,
    check_type,
    finish_conversation,
    start_conversation,
)
from annotation.conversations.services.turns import Spoken, judge_turn, retry_turn, start_turn, stop_turn
from annotation.conversations.views.events import page_and_stream, takes_stream
from annotation.judgements.forms import timings_of
from annotation.judgements.services import AnswersRefusedError
from annotation.participation.forms import answer_fields, one_time_key
from annotation.participation.queries import frame
from annotation.participation.step_pages import StepPages

_pages = StepPages(here, "conversations:talk")
in_talks, takes_forms = _pages.page, _pages.form


@in_talks
def talk(request: HttpRequest, place: Here) -> HttpResponse:
    """Where the person is in the step: choosing a type, talking, or answering what comes after a talk."""
    line = _line(place)
    conversation = open_conversation(place.participation, place.step.name)
    if conversation is None and line is not None:
        return shown(request, "waiting", place, waiting_page(place, line))
    if conversation is None:
        return shown(request, "types", place, types_page(place))
    if not may_see(request, place, conversation):
        return shown(request, "hidden", place, types_page(place) | {"conversation": conversation})
    if "type" in request.GET and conversation.state == Conversation.State.OPEN and not conversation.turns.exists():
        return shown(request, "types", place, types_page(place, conversation.type))
    if conversation.state == Conversation.State.OPEN:
        return shown(request, "talk", place, talk_page(place, conversation))
    return shown(request, "after", place, after_page(place, conversation) or {})


@takes_forms
def start(request: HttpRequest, place: Here) -> HttpResponse:
    """Begin a talk of the chosen type."""
    kind, now = str(request.POST.get("type", "")), timezone.now()
    try:
        if place.step.admission is not None:
            check_type(participation=place.participation, step=place.step, kind=kind)
            ask_admission(participation=place.participation, step=place.step, kind=kind, now=now)
        conversation = start_conversation(participation=place.participation, step=place.step.name, kind=kind, now=now)
    except AdmissionNeededError:
        return to_talk(place)
    except TypeRefusedError as error:
        return shown(request, "types", place, types_page(place, kind, error.text), status=422)
    remember(request, conversation)
    return to_talk(place)


@takes_forms
def message(request: HttpRequest, place: Here) -> HttpResponseBase:
    """Say something; its answers begin."""
    conversation = _open(request, place)
    form = MessageForm(request.POST, place.step)
    if form.error:
        sent = {name: [str(value) for value in values] for name, values in request.POST.lists()}
        context = talk_page(place, conversation, sent=sent, error=form.error)
        return shown(request, "talk", place, context, status=422)
    now = timezone.now()
    _ask_for_room(place, conversation, now)
    try:
        started = start_turn(
            conversation_id=conversation.pk,
            participation=place.participation,
            spoken=Spoken(form.text, key_of(request), timings_of(form.timers)),
            now=now,
        )
    except AdmissionNeededError:
        sent = {name: [str(value) for value in values] for name, values in request.POST.lists()}
        return _wait_with(request, place, talk_page(place, conversation, sent=sent))
    return answered(request, place, conversation, started.turns)


@takes_forms
def judge(request: HttpRequest, place: Here, turn: UUID) -> HttpResponseBase:
    """Say how good the answers are; the best one goes on."""
    asked = turn_of(place.participation, turn)
    conversation = visible(request, place, asked.conversation if asked else None)
    _is_here(place)
    try:
        judge_turn(
            turn_id=turn,
            participation=place.participation,
            key=key_of(request),
            fields=_fields(request),
            timings=timings_of(read_timers(str(request.POST.get("timers", "")))),
            shown=read_shown(str(request.POST.get("shown", ""))),
            now=timezone.now(),
        )
    except AnswersRefusedError as error:
        error.form.fields = {**error.form.fields, "key": [key_of(request)]}
        context = talk_page(place, conversation, form=error.form)
        return shown(request, "talk", place, context, status=422)
    return answered(request, place, conversation)


@takes_forms
def stop(request: HttpRequest, place: Here, turn: UUID) -> HttpResponseBase:
    """Stop answers that are being written."""
    conversation = _open(request, place)
    _is_here(place)
    stop_turn(turn_id=turn, participation=place.participation, now=timezone.now())
    return answered(request, place, conversation)


@takes_forms
def retry(request: HttpRequest, place: Here, turn: UUID) -> HttpResponseBase:
    """Ask again what led to nothing."""
    conversation, now = _open(request, place), timezone.now()
    _ask_for_room(place, conversation, now)
    try:
        started = retry_turn(turn_id=turn, participation=place.participation, key=key_of(request), now=now)
    except AdmissionNeededError:
        context = talk_page(place, conversation) | {"key": key_of(request), "retrying": True}
        return _wait_with(request, place, context)
    return answered(request, place, conversation, started.turns)


@takes_forms
def finish(request: HttpRequest, place: Here) -> HttpResponse:
    """End the talk; the questions after it come."""
    conversation = _open(request, place)
    finish_conversation(conversation_id=conversation.pk, participation=place.participation, now=timezone.now())
    return to_talk(place)


@takes_forms
def leave(request: HttpRequest, place: Here) -> HttpResponse:
    """Give up a talk that this session may not see, so that another can be begun in its place."""
    conversation = open_conversation(place.participation, place.step.name)
    if conversation is not None:
        abandon_conversation(conversation_id=conversation.pk, participation=place.participation, now=timezone.now())
    return to_talk(place)


@in_talks
def wait(request: HttpRequest, place: Here) -> HttpResponse:
    """Where somebody stands in the line. The page that waits asks every few seconds and says what it shows
    already: only what is new is worth saying again."""
    line = _line(place)
    if line is not None and request.GET.get("seen") == line.state:
        return HttpResponse(status=204)
    room = line is None or line.admitted
    begins = room and open_conversation(place.participation, place.step.name) is None
    return shown(request, "wait-said", place, {"line": line, "step": place.step, "begins": begins})


# ---- parts of the above ----------------------------------------------------------------------------------------------
def shown(request: HttpRequest, page: str, place: Here, context: dict[str, Any], *, status: int = 200) -> HttpResponse:
    """A page of the step in its frame."""
    template = f"conversations/{page}.html"
    return render(request, template, frame(place.participation) | context, status=status)


def _line(place: Here) -> InLine | None:
    """Where the person stands, having come here; `None` where there is no line, or they stand in none."""
    _is_here(place)
    return line_of(place.participation, timezone.now()) if place.step.admission is not None else None


def _is_here(place: Here) -> None:
    """A sign of life: reading and rating takes its time, and keeps the room."""
    if place.step.admission is not None:
        note_presence(participation=place.participation, now=timezone.now())


def _ask_for_room(place: Here, conversation: Conversation, now: datetime) -> None:
    """For whoever goes on after a long while, and whose room was given to somebody else."""
    if place.step.admission is not None:
        ask_admission(participation=place.participation, step=place.step, kind=conversation.type, now=now)


def _wait_with(request: HttpRequest, place: Here, context: dict[str, Any]) -> HttpResponse:
    """The talk as it was, with what was typed: its room was given to somebody else, and it is sent a little later."""
    line = {"line": line_of(place.participation, timezone.now())}
    return shown(request, "talk", place, context | line, status=422)


def to_talk(place: Here) -> HttpResponse:
    return redirect("conversations:talk", place.participation.pk, place.step.name)


def answered(
    request: HttpRequest, place: Here, conversation: Conversation, turns: Sequence[Turn] | None = None
) -> HttpResponseBase:
    """The talk as it is now, with its turns where they are known: for the page's script at once, so that it can put the
    new part in its place, and with the answers that are being written; else by a redirect, so that a reload sends
    nothing again."""
    if "X-PV-Form" not in request.headers or conversation.state != Conversation.State.OPEN:
        return to_talk(place)
    context = talk_page(place, conversation, turns=turns)
    page = shown(request, "talk", place, context)
    if context["writing"] and takes_stream(request):
        return page_and_stream(page, context["turn"], place.step)
    return page


def visible(request: HttpRequest, place: Here, conversation: Conversation | None) -> Conversation:
    """The talk, if there is one and this session may see it; else it does not exist."""
    if conversation is None or not may_see(request, place, conversation):
        raise NotFoundError(_("There is no such conversation here."))
    return conversation


def _open(request: HttpRequest, place: Here) -> Conversation:
    conversation = open_conversation(place.participation, place.step.name)
    if conversation is None:
        raise ConflictError(_("This conversation is finished."))
    return visible(request, place, conversation)


def key_of(request: HttpRequest) -> str:
    """The form's one-time key."""
    key = one_time_key(request.POST)
    if not key:
        raise DomainError(_("The form is not complete. Go back and try again."))
    return key


def _fields(request: HttpRequest) -> dict[str, list[str]]:
    return {name: values for name, values in answer_fields(request.POST).items() if name != "shown"}
