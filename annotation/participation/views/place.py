"""The way through the steps."""

import uuid
from typing import Any, TypeVar
from uuid import UUID

from django.http import HttpRequest, HttpResponse, JsonResponse
from django.shortcuts import redirect, render
from django.utils import timezone
from django.utils.translation import gettext as _
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_GET, require_http_methods, require_POST

from annotation.common.errors import ConflictError, NotFoundError
from annotation.common.timers import read_timers
from annotation.common.views import error_page
from annotation.participation import services
from annotation.participation.access import has_full_trust, participation_for, return_link
from annotation.participation.forms import ConsentForm, DraftForm, answer_fields, one_time_key
from annotation.participation.models import Participation
from annotation.participation.pages import page_form
from annotation.participation.queries import (
    closing_text,
    current_url,
    draft_fields,
    end_code,
    frame,
    return_address,
    stored_answers,
)
from annotation.participation.rules import page_is_open
from annotation.participation.steps import step_named
from annotation.studies.document.steps import ConsentStep, DebriefStep, QuestionnaireStep
from annotation.studies.forms import QuestionForm
from annotation.studies.queries import document_of
from annotation.studies.texts import in_language

Kind = TypeVar("Kind")
PAGE_METHODS = ["GET", "HEAD", "POST"]


@require_GET
@never_cache
def resume(request: HttpRequest, pid: UUID) -> HttpResponse:
    """To the place where the person is."""
    return redirect(current_url(participation_for(request, pid)))


@require_GET
@never_cache
def leave(request: HttpRequest, pid: UUID) -> HttpResponse:
    """Everything is saved; how to come back."""
    participation = participation_for(request, pid)
    link = return_link(request, participation) if has_full_trust(request, participation) else ""
    context = frame(participation) | {"return_link": link, "continue_url": current_url(participation)}
    return render(request, "participation/leave.html", context)


@require_http_methods(PAGE_METHODS)
@never_cache
def consent(request: HttpRequest, pid: UUID, step: str) -> HttpResponse:
    """A consent text with its statements."""
    participation = participation_for(request, pid)
    found = _here(participation, step, ConsentStep)
    if found is None:
        return redirect(current_url(participation))
    document = document_of(participation.version)
    asked = next(one for one in document.consent if one.version == step)
    form = ConsentForm(asked, request.POST)
    errors = form.errors() if request.method == "POST" else {}
    key = one_time_key(request.POST) or uuid.uuid4().hex
    if request.method == "POST" and not errors:
        services.give_consent(
            participation=participation,
            consent=asked,
            ticked=form.ticked,
            key=key,
            timers=read_timers(request.POST.get("timers", "")),
            now=timezone.now(),
        )
        return redirect(current_url(participation))
    context = frame(participation) | _consent_context(participation, found, form, errors) | {"key": key}
    return render(request, "participation/consent.html", context, status=422 if errors else 200)


@require_http_methods(PAGE_METHODS)
@never_cache
def decline(request: HttpRequest, pid: UUID) -> HttpResponse:
    """GET asks, POST ends it without consent."""
    participation = participation_for(request, pid)
    if participation.state != Participation.State.ACTIVE:
        return redirect(current_url(participation))
    if request.method == "POST":
        services.decline(participation=participation, now=timezone.now())
        return redirect(current_url(participation))
    context = frame(participation) | {"continue_url": current_url(participation)}
    return render(request, "participation/decline.html", context)


@require_http_methods(PAGE_METHODS)
@never_cache
def page(request: HttpRequest, pid: UUID, step: str, number: int) -> HttpResponse:
    """A questionnaire page. What was typed there before is shown to whoever has full trust."""
    participation = participation_for(request, pid)
    trusted = has_full_trust(request, participation)
    found = step_named(participation, step)
    if found is None or not isinstance(found[1], QuestionnaireStep) or number > len(found[1].pages):
        raise NotFoundError(_("There is no such page."))
    if request.method == "POST":
        return _submitted(request, participation, found[1], number - 1, trusted=trusted)
    if not page_is_open(participation, found[0], number - 1, back=found[1].back and trusted):
        return redirect(current_url(participation))
    fields = draft_fields(participation, f"{step}/{number - 1}") if trusted else {}
    return _shown(request, participation, found[1], number - 1, _form(participation, found[1], number - 1, fields))


@require_http_methods(PAGE_METHODS)
@never_cache
def text(request: HttpRequest, pid: UUID, step: str) -> HttpResponse:
    """A text between steps."""
    participation = participation_for(request, pid)
    found = _here(participation, step, DebriefStep)
    if found is not None and request.method != "POST":
        words = {
            "heading": in_language(found.title, participation.language) or _("For your information"),
            "text": in_language(found.text, participation.language),
        }
        return render(request, "participation/text.html", frame(participation) | words)
    if found is not None:
        services.complete_step(participation=participation, step=step, now=timezone.now())
    return redirect(current_url(participation))


@require_POST
@never_cache
def draft(request: HttpRequest, pid: UUID) -> HttpResponse:
    """What the script saves while somebody types."""
    participation = participation_for(request, pid)
    if participation.state != Participation.State.ACTIVE or not has_full_trust(request, participation):
        raise NotFoundError(_("Nothing can be saved here."))
    form = DraftForm(request.POST)
    if not form.is_valid():
        return JsonResponse({"errors": form.errors}, status=400)
    saved = services.save_draft(
        participation=participation,
        place=form.cleaned_data["place"],
        fields=form.cleaned_data["fields"],
        now=timezone.now(),
    )
    return JsonResponse({"saved_at": saved.isoformat()})


@require_GET
@never_cache
def end(request: HttpRequest, pid: UUID) -> HttpResponse:
    """How it ended, with the code for it. The code of a completion is there only when the stored state is."""
    participation = participation_for(request, pid)
    if participation.state == Participation.State.ACTIVE:
        return redirect(current_url(participation))
    document = document_of(participation.version)
    context = {
        "end": participation.state,
        "code": end_code(participation),
        "return_address": return_address(participation),
        "closing_text": closing_text(document, participation.language),
        "panel": document.panel.kind,
    }
    return render(request, "participation/end.html", frame(participation) | context)


@require_POST
@never_cache
def reopen(request: HttpRequest, pid: UUID) -> HttpResponse:
    """Somebody who was timed out goes on, if there is a place."""
    participation = participation_for(request, pid)
    services.reopen(participation=participation, now=timezone.now())
    return redirect(current_url(participation))


@require_POST
@never_cache
def go_back(request: HttpRequest, pid: UUID) -> HttpResponse:
    """Somebody who is at the end takes up what they were asked for again."""
    participation = participation_for(request, pid)
    services.go_back(participation=participation, now=timezone.now())
    return redirect(current_url(participation))


# ---- parts of the above ----------------------------------------------------------------------------------------------
def _here(participation: Participation, name: str, kind: type[Kind]) -> Kind | None:
    """The step, if it is of that kind and the person is in it."""
    found = step_named(participation, name)
    if found is None or not isinstance(found[1], kind):
        raise NotFoundError(_("There is no such page."))
    here = participation.state == Participation.State.ACTIVE and participation.step == found[0]
    return found[1] if here else None


def _consent_context(
    participation: Participation, step: ConsentStep, form: ConsentForm, errors: dict[str, str]
) -> dict[str, Any]:
    language = participation.language
    return {
        "heading": in_language(step.title, language) or _("Before you begin"),
        "text": in_language(form.consent.text, language),
        "statements": [
            {
                "name": statement.name,
                "text": in_language(statement.text, language),
                "required": statement.required,
                "ticked": statement.name in form.ticked,
                "error": errors.get(statement.name, ""),
            }
            for statement in form.consent.statements
        ],
        "errors": [
            (statement.name, in_language(statement.text, language), errors[statement.name])
            for statement in form.consent.statements
            if statement.name in errors
        ],
    }


def _form(
    participation: Participation, step: QuestionnaireStep, index: int, fields: dict[str, list[str]]
) -> QuestionForm:
    document = document_of(participation.version)
    return page_form(participation, document, step, index, fields=fields, earlier=stored_answers(participation))


def _shown(
    request: HttpRequest,
    participation: Participation,
    step: QuestionnaireStep,
    index: int,
    form: QuestionForm,
    *,
    key: str = "",
) -> HttpResponse:
    shown = step.pages[index]
    trusted = has_full_trust(request, participation)
    widgets = form.widgets()
    context = {
        "heading": in_language(shown.title, participation.language) or in_language(step.title, participation.language),
        "intro": in_language(shown.intro, participation.language),
        "widgets": widgets,
        "errors": [(field, q["text"], text) for q in widgets for field, text in q["errors"].items()],
        "key": key or uuid.uuid4().hex,
        "place": f"{step.name}/{index}",
        "trusted": trusted,
        "number": index + 1,
        "count": len(step.pages),
        "step": step,
        "back": index if index and step.back and trusted else 0,
    }
    return render(
        request, "participation/page.html", frame(participation) | context, status=422 if form.errors else 200
    )


def _submitted(
    request: HttpRequest, participation: Participation, step: QuestionnaireStep, index: int, *, trusted: bool
) -> HttpResponse:
    key = one_time_key(request.POST)
    if not key:
        return error_page(request, 400)
    form = _form(participation, step, index, answer_fields(request.POST))
    if not form.is_valid():
        return _shown(request, participation, step, index, form, key=key)
    try:
        services.submit_page(
            participation=participation,
            step=step,
            page=index,
            form=form,
            key=key,
            timers=read_timers(request.POST.get("timers", "")),
            now=timezone.now(),
            keep_fields=trusted,
        )
    except ConflictError as error:
        return error_page(request, error.status, text=error.text, link=current_url(participation))
    return redirect(current_url(participation))
