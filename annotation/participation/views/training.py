"""The pages of a training step: slides, the quiz, and what came of it."""

import uuid
from collections.abc import Mapping
from typing import Any
from uuid import UUID

from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.utils import timezone
from django.utils.translation import gettext as _
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_http_methods

from annotation.common.errors import ConflictError, NotFoundError
from annotation.common.timers import read_timers
from annotation.common.views import error_page
from annotation.participation import services
from annotation.participation.access import has_full_trust, participation_for
from annotation.participation.forms import answer_fields, one_time_key
from annotation.participation.models import Participation, TrainingAttempt
from annotation.participation.queries import current_url, draft_fields, frame
from annotation.participation.services.training import QuizRefusedError
from annotation.participation.steps import step_named
from annotation.participation.training import Standing, quiz_form, standing
from annotation.participation.words import in_words
from annotation.studies.document.training import QuizQuestion, TrainingStep
from annotation.studies.forms import QuestionForm
from annotation.studies.queries import document_of
from annotation.studies.questions.base import first
from annotation.studies.texts import in_language

PAGE_METHODS = ["GET", "HEAD", "POST"]


@require_http_methods(PAGE_METHODS)
@never_cache
def training(request: HttpRequest, pid: UUID, step: str, number: int) -> HttpResponse:
    """A slide, or the quiz, which is the page after the last slide. Pages that were reached can be read again."""
    participation = participation_for(request, pid)
    found = _here(participation, step)
    if found is None or not 1 <= number <= participation.page + 1:
        return redirect(current_url(participation))
    is_quiz = number > len(found.slides)
    if request.method == "POST":
        return _quiz_sent(request, participation, found) if is_quiz else _read(request, participation, found, number)
    if not is_quiz:
        return _slide(request, participation, found, number)
    so_far = standing(participation, found)
    if so_far.is_over or ("again" not in request.GET and so_far.last is not None):
        return _result(request, participation, found, so_far)
    fields = draft_fields(participation, _draft(found, so_far)) if has_full_trust(request, participation) else {}
    document = document_of(participation.version)
    form = quiz_form(participation, document, found, so_far.used + 1, fields)
    return _quiz(request, participation, found, so_far, form)


@require_http_methods(PAGE_METHODS)
@never_cache
def training_done(request: HttpRequest, pid: UUID, step: str) -> HttpResponse:
    """Go on after the quiz."""
    participation = participation_for(request, pid)
    found = _here(participation, step)
    if found is not None and request.method == "POST":
        services.finish_training(participation=participation, step=found, now=timezone.now())
    return redirect(current_url(participation))


# ---- parts of the above ----------------------------------------------------------------------------------------------
def _here(participation: Participation, name: str) -> TrainingStep | None:
    """The step, if the person is in it."""
    found = step_named(participation, name)
    if found is None or not isinstance(found[1], TrainingStep):
        raise NotFoundError(_("There is no such page."))
    here = participation.state == Participation.State.ACTIVE and participation.step == found[0]
    return found[1] if here else None


def _read(request: HttpRequest, participation: Participation, step: TrainingStep, number: int) -> HttpResponse:
    key = one_time_key(request.POST)
    if not key:
        return error_page(request, 400)
    services.read_slide(
        participation=participation,
        step=step,
        slide=number - 1,
        key=key,
        timers=read_timers(str(request.POST.get("timers", ""))),
        now=timezone.now(),
    )
    participation.refresh_from_db(fields=["step", "page", "state"])
    if participation.page >= number and _here(participation, step.name):
        return redirect("participation:training", participation.pk, step.name, number + 1)
    return redirect(current_url(participation))


def _quiz_sent(request: HttpRequest, participation: Participation, step: TrainingStep) -> HttpResponse:
    key = one_time_key(request.POST)
    if not key:
        return error_page(request, 400)
    try:
        services.submit_quiz(
            participation=participation,
            step=step,
            key=key,
            fields=answer_fields(request.POST),
            timers=read_timers(str(request.POST.get("timers", ""))),
            now=timezone.now(),
        )
    except QuizRefusedError as error:
        so_far = standing(participation, step)
        return _quiz(request, participation, step, so_far, error.form, key=key)
    except ConflictError as error:
        return error_page(request, error.status, text=error.text, link=current_url(participation))
    return redirect(current_url(participation))


def _slide(request: HttpRequest, participation: Participation, step: TrainingStep, number: int) -> HttpResponse:
    slide, language = step.slides[number - 1], participation.language
    context = {
        "heading": in_language(slide.title, language) or in_language(step.title, language) or _("Training"),
        "text": in_language(slide.text, language),
        "key": uuid.uuid4().hex,
        "number": number,
    }
    return _shown(request, "training", participation, step, context)


def _quiz(
    request: HttpRequest,
    participation: Participation,
    step: TrainingStep,
    so_far: Standing,
    form: QuestionForm,
    *,
    key: str = "",
) -> HttpResponse:
    widgets = form.widgets()
    context = {
        "widgets": widgets,
        "errors": [(field, q["text"], text) for q in widgets for field, text in q["errors"].items()],
        "key": key or first(form.fields, "key") or uuid.uuid4().hex,
        "place": _draft(step, so_far),
        "trusted": has_full_trust(request, participation),
        "number": len(step.slides) + 1,
        "standing": so_far,
        "needed": round(100 * step.pass_mark),
    }
    status = 422 if form.errors else 200
    return _shown(request, "training_quiz", participation, step, context, status=status)


def _result(request: HttpRequest, participation: Participation, step: TrainingStep, so_far: Standing) -> HttpResponse:
    assert so_far.last is not None  # noqa: S101 - shown after a try only
    trusted = has_full_trust(request, participation)
    context = {
        "number": len(step.slides) + 1,
        "standing": so_far,
        "percent": round(100 * so_far.last.score),
        "needed": round(100 * step.pass_mark),
        "answers": [_answered(participation, one, so_far.last, trusted=trusted) for one in step.quiz],
    }
    return _shown(request, "training_result", participation, step, context)


def _answered(
    participation: Participation, one: QuizQuestion, last: TrainingAttempt, *, trusted: bool
) -> Mapping[str, Any]:
    """One question with what was answered and what is said about it. A session that knows the person by a panel id
    alone is not shown what they answered."""
    question, language = document_of(participation.version).questions[one.question], participation.language
    right = last.right[one.question]
    return {
        "text": in_language(question.text, language),
        "answer": in_words(question, last.answers[one.question], language) if trusted else "",
        "right": right,
        "feedback": in_language(one.right if right else one.wrong, language),
    }


def _draft(step: TrainingStep, so_far: Standing) -> str:
    return f"{step.name}/quiz/{so_far.used + 1}"


def _shown(
    request: HttpRequest,
    template: str,
    participation: Participation,
    step: TrainingStep,
    context: dict[str, Any],
    *,
    status: int = 200,
) -> HttpResponse:
    pages = {
        "step": step,
        "step_title": in_language(step.title, participation.language),
        "count": len(step.slides) + bool(step.quiz),
        "back": context["number"] - 1,
        "has_slides": bool(step.slides),
    }
    whole = frame(participation) | pages | context
    return render(request, f"participation/{template}.html", whole, status=status)
