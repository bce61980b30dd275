"""What a person can do with their data: see, download, withdraw."""

import json
from typing import Any
from uuid import UUID

from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.utils import timezone
from django.utils.translation import gettext as _
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_GET, require_http_methods

from annotation.participation import services
from annotation.participation.access import has_full_trust, participation_for
from annotation.participation.models import Participation
from annotation.participation.my_data import my_data as stored_about
from annotation.participation.queries import current_url, frame
from annotation.participation.rules import may_withdraw, withdrawal_until
from annotation.studies.queries import document_of
from annotation.studies.texts import in_language


@require_GET
@never_cache
def my_data(request: HttpRequest, pid: UUID) -> HttpResponse:
    """Everything that is stored about the person, readable."""
    participation = participation_for(request, pid)
    if not has_full_trust(request, participation):
        return _not_here(request, participation)
    titles = {
        "participation": _("Your participation"),
        "identity": _("What the panel told us"),
        "consents": _("What you agreed to"),
        "answers": _("What you answered"),
        "page_times": _("How long pages took"),
        "drafts": _("What you have typed and not finished"),
        "judgements": _("How you judged"),
        "conversations": _("Your conversations"),
    }
    stored = stored_about(participation)
    context = frame(participation) | {
        "parts": [(name, titles.get(name, name), part) for name, part in stored.items()],
        "answered": _answered(participation, stored["answers"]),
        "may_withdraw": may_withdraw(participation, timezone.now()),
        "withdrawal_until": withdrawal_until(participation),
        "continue_url": current_url(participation),
    }
    return render(request, "participation/my_data.html", context)


@require_GET
@never_cache
def download(request: HttpRequest, pid: UUID) -> HttpResponse:
    """The same as JSON."""
    participation = participation_for(request, pid)
    if not has_full_trust(request, participation):
        return _not_here(request, participation)
    body = json.dumps(stored_about(participation), ensure_ascii=False, indent=2, allow_nan=False)
    name = f"my-data-{participation.study.slug}.json"
    return HttpResponse(
        body, content_type="application/json", headers={"Content-Disposition": f'attachment; filename="{name}"'}
    )


@require_http_methods(["GET", "HEAD", "POST"])
@never_cache
def withdraw(request: HttpRequest, pid: UUID) -> HttpResponse:
    """GET asks, POST withdraws."""
    participation = participation_for(request, pid)
    if not has_full_trust(request, participation):
        return _not_here(request, participation)
    now = timezone.now()
    if request.method == "POST":
        actor = f"annotator {participation.annotator_id}"
        services.withdraw(participation=participation, reason="person", actor=actor, now=now)
        return redirect(current_url(participation))
    context = frame(participation) | {
        "may_withdraw": may_withdraw(participation, now),
        "withdrawal_until": withdrawal_until(participation),
        "days": document_of(participation.version).retention.withdrawal_window_days,
        "continue_url": current_url(participation),
    }
    return render(request, "participation/withdraw.html", context)


def _not_here(request: HttpRequest, participation: Participation) -> HttpResponse:
    """A known panel id alone shows nothing; the page says what does."""
    context = frame(participation) | {"continue_url": current_url(participation)}
    return render(request, "participation/not_here.html", context, status=403)


def _answered(participation: Participation, answers: list[dict[str, Any]]) -> list[tuple[str, list[dict[str, Any]]]]:
    """Question as it was asked → its answers, the newest last."""
    questions = document_of(participation.version).questions
    words = {
        "not_shown": _("was not shown to you"),
        "unanswered": _("left open"),
        "not_applicable": _("not applicable"),
        "prefer_not_to_say": _("prefer not to say"),
    }
    asked: dict[str, list[dict[str, Any]]] = {}
    for answer in answers:
        question = questions.get(answer["question"])
        text = in_language(question.text, participation.language) if question else answer["question"]
        asked.setdefault(text, []).append(answer | {"missing_words": words.get(answer["missing"], "")})
    return list(asked.items())
