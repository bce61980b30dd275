"""The pages of a step of comparisons: a card, and everything that can be done on it."""

from typing import Any
from uuid import UUID

from django.http import HttpRequest, HttpResponse, JsonResponse
from django.shortcuts import redirect, render
from django.utils import timezone
from django.utils.translation import gettext as _
from django.views.decorators.http import require_POST

from annotation.assignments.models import Assignment
from annotation.assignments.services import heartbeat, lease_ahead, skip_place
from annotation.common.errors import ConflictError, DomainError
from annotation.common.storable import storable
from annotation.judgements.access import Here, here, own_place
from annotation.judgements.asking import JudgementForm, waits_for_before
from annotation.judgements.forms import card_timings, judged_fields, read_card_shown, unplayed
from annotation.judgements.pages import before_draft, before_page, card_page, head, judge_draft, must_play, pictures
from annotation.judgements.queries import held_place
from annotation.judgements.rules import may_change
from annotation.judgements.services import (
    AnswersRefusedError,
    finish_comparisons,
    judge_card,
    next_place,
    store_before,
)
from annotation.judgements.services.showing import BeforeRefusedError
from annotation.participation.forms import answer_fields, one_time_key
from annotation.participation.queries import current_url, frame
from annotation.participation.services import save_draft
from annotation.participation.step_pages import StepPages
from annotation.studies.queries import document_of

_pages = StepPages(here, "judgements:card")
in_comparisons, takes_forms = _pages.page, _pages.form


@in_comparisons
def card(request: HttpRequest, at: Here) -> HttpResponse:
    """The card of the place that the person holds; without one, the way to the first or the next."""
    held = held_place(at.participation, at.step.name)
    if held is not None:
        return _place_page(request, at, held)
    return _shown(request, "start", at, head(at, timezone.now()))


@takes_forms
def begin(request: HttpRequest, at: Here) -> HttpResponse:
    """Take the first or the next place."""
    return _next(request, at)


@takes_forms
def submit(request: HttpRequest, at: Here, place: UUID) -> HttpResponse:
    """Say how it is; the next card comes."""
    return _judge(request, at, own_place(at, place))


@in_comparisons
def change(request: HttpRequest, at: Here, place: UUID) -> HttpResponse:
    """The last judgement once more, while the document lets it be changed."""
    asked = own_place(at, place)
    if request.method == "POST":
        return _judge(request, at, asked, changing=True)
    last = asked.judgements.filter(replaced_by__isnull=True).first()
    if last is None or not may_change(last, timezone.now()):
        raise ConflictError(_("It is too late to change this judgement. It is stored as you gave it."))
    return _shown(request, "card_page", at, card_page(at, asked, timezone.now(), changing=True))


@takes_forms
def before(request: HttpRequest, at: Here, place: UUID) -> HttpResponse:
    """Answer what is asked first; then the candidates show."""
    asked = own_place(at, place)
    fields, key = answer_fields(request.POST), _key(request)
    try:
        store_before(
            assignment_id=asked.pk,
            participation=at.participation,
            fields=fields,
            timings=card_timings(request.POST),
            now=timezone.now(),
        )
    except BeforeRefusedError as error:
        error.form.fields = {**error.form.fields, "key": [key]}
        context = before_page(at, asked, timezone.now(), form=error.form)
        return _shown(request, "before_page", at, context, status=422)
    _keep(at, before_draft(at, asked), fields)
    return _go_on(request, at)


@takes_forms
def skip(request: HttpRequest, at: Here, place: UUID) -> HttpResponse:
    """Give a place back unjudged, with a reason; the next card comes."""
    asked = own_place(at, place)
    reason = storable(str(request.POST.get("reason", "")))
    skip_place(assignment_id=asked.pk, participation=at.participation, step=at.step, reason=reason, now=timezone.now())
    return _next(request, at)


@require_POST
@in_comparisons
def beat(request: HttpRequest, at: Here, place: UUID) -> HttpResponse:
    """The page is still open: the place stays this person's."""
    own_place(at, place)
    kept = heartbeat(participation=at.participation, step=at.step, now=timezone.now())
    return HttpResponse(status=204 if kept else 410)


@require_POST
@in_comparisons
def ahead(request: HttpRequest, at: Here) -> HttpResponse:
    """Take the place after this one already, so that the page can fetch its pictures while this one is judged."""
    place = lease_ahead(participation=at.participation, step=at.step, now=timezone.now())
    return JsonResponse({"pictures": pictures(place) if place is not None else []})


@takes_forms
def finish(request: HttpRequest, at: Here) -> HttpResponse:
    """End the step, where enough is judged or nothing is left. A card that came free meanwhile is shown."""
    try:
        return finish_now(at)
    except ConflictError:
        return to_card(at)


# ---- parts of the above ----------------------------------------------------------------------------------------------
def to_card(at: Here) -> HttpResponse:
    return redirect("judgements:card", at.participation.pk, at.step.name)


def _judge(request: HttpRequest, at: Here, place: Assignment, *, changing: bool = False) -> HttpResponse:
    fields, key = judged_fields(answer_fields(request.POST)), _key(request)
    missing = unplayed(must_play(at, place), fields)
    if missing:
        return _refused(request, at, place, _form(at, place, fields, key), missing, changing=changing)
    try:
        submission = judge_card(
            assignment_id=place.pk,
            participation=at.participation,
            key=key,
            fields=fields,
            timings=card_timings(request.POST),
            shown=read_card_shown(str(request.POST.get("shown", "")), place.presentation),
            changing=changing,
            now=timezone.now(),
        )
    except AnswersRefusedError as error:
        error.form.fields = {**error.form.fields, "key": [key]}
        return _refused(request, at, place, error.form, {}, changing=changing)
    if not submission.repeated:
        _keep(at, judge_draft(at, place), fields)
    return _next(request, at)


def _next(request: HttpRequest, at: Here) -> HttpResponse:
    """The next card, or the end of the step."""
    now = timezone.now()
    if next_place(participation=at.participation, step=at.step, now=now) is not None:
        return _go_on(request, at)
    context = head(at, now)
    # what can still be changed is not closed behind the person's back
    if context["enough"] and not context["changeable"]:
        return finish_now(at)
    return _shown(request, "over", at, context)


def finish_now(at: Here) -> HttpResponse:
    finish_comparisons(participation=at.participation, step=at.step, now=timezone.now())
    return redirect(current_url(at.participation))


def _go_on(request: HttpRequest, at: Here) -> HttpResponse:
    """The card as it is now: for the page's script at once, so that it can put it in its place; else by a redirect, so
    that a reload sends nothing again."""
    held = held_place(at.participation, at.step.name)
    if "X-PV-Form" not in request.headers or held is None:
        return to_card(at)
    return _place_page(request, at, held)


def _place_page(request: HttpRequest, at: Here, place: Assignment) -> HttpResponse:
    now = timezone.now()
    if waits_for_before(document_of(place.version), place, place.presentation):
        return _shown(request, "before_page", at, before_page(at, place, now))
    return _shown(request, "card_page", at, card_page(at, place, now))


def _refused(
    request: HttpRequest, at: Here, place: Assignment, form: JudgementForm, more: dict[str, str], *, changing: bool
) -> HttpResponse:
    context = card_page(at, place, timezone.now(), form=form, more_errors=more, changing=changing)
    return _shown(request, "card_page", at, context, status=422)


def _form(at: Here, place: Assignment, fields: dict[str, list[str]], key: str) -> JudgementForm:
    """What was sent, read for its mistakes alone."""
    sent = {**fields, "key": [key]}
    form = JudgementForm(place, place.presentation, document_of(place.version), sent, at.participation.language)
    form.is_valid()
    return form


def _keep(at: Here, place: str, fields: dict[str, list[str]]) -> None:
    """What was sent stays where a change finds it, until the step is done."""
    if at.trusted:
        save_draft(participation=at.participation, place=place, fields=fields, now=timezone.now())


def _shown(request: HttpRequest, page: str, at: Here, context: dict[str, Any], *, status: int = 200) -> HttpResponse:
    return render(request, f"judgements/{page}.html", frame(at.participation) | context, status=status)


def _key(request: HttpRequest) -> str:
    """The form's one-time key."""
    key = one_time_key(request.POST)
    if not key:
        raise DomainError(_("The form is not complete. Go back and try again."))
    return key
