"""The way in: welcome, start, and the personal return link."""

import uuid
from typing import Any

from django.conf import settings
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.utils import timezone, translation
from django.utils.translation import gettext as _
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_GET, require_http_methods, require_POST

from annotation.common.errors import ConflictError, NotFoundError
from annotation.common.languages import direction, own_name
from annotation.common.rate_limit import limited
from annotation.common.views import error_page
from annotation.participation import services
from annotation.participation.access import grant, held_ids
from annotation.participation.forms import StartForm, is_rehearsal
from annotation.participation.models import Participation
from annotation.participation.panels import PanelIds, panel_ids, parameters
from annotation.participation.queries import Frame, current_url, participation_of
from annotation.participation.return_tokens import token_sha256
from annotation.participation.rules import takes_people
from annotation.participation.steps import steps_to_do
from annotation.studies.document import StudyDocument
from annotation.studies.models import Study
from annotation.studies.pools import PARAMETER, pool_in
from annotation.studies.queries import document_of
from annotation.studies.texts import in_language


@require_GET
@never_cache
def welcome(request: HttpRequest, slug: str) -> HttpResponse:
    """What the study is. Creates nothing: link scanners and prefetchers use up no seat."""
    study = _study(slug)
    if study.current is None:
        return _closed(request, study)
    document = document_of(study.current)
    ids = panel_ids(document.panel, request.GET.dict())
    held = _held_in(request, study)
    if not (takes_people(study) or held or participation_of(study=study, person=ids.person)):
        return _closed(request, study)
    language = _language(request, document)
    translation.activate(language)
    if document.panel.required and not ids.person and not held:
        return _no_panel_id(request)
    context = _welcome_context(study, document, language)
    context |= {
        "panel": parameters(document.panel, ids) | _pool_link(request, document),
        "key": uuid.uuid4().hex,
        "held": _same_person(held, study, document, ids),
        "languages": [(code, own_name(code), _other_language(request, code)) for code in document.languages],
    }
    return render(request, "participation/welcome.html", context)


def _start_is_rehearsal(request: HttpRequest) -> bool:
    slug = request.resolver_match.kwargs["slug"] if request.resolver_match else ""
    return is_rehearsal(request.POST, slug)


@require_POST
@never_cache
@limited("start", per_minute=lambda: int(settings.STARTS_PER_MINUTE), unless=_start_is_rehearsal)
def start(request: HttpRequest, slug: str) -> HttpResponse:
    """Begin, or go on where this panel id or this form began before."""
    study = _study(slug)
    if study.current is None:
        return _closed(request, study)
    document = document_of(study.current)
    form = StartForm(request.POST, slug=slug)
    if not form.is_valid():
        return error_page(
            request, 400, text=" ".join(str(error) for errors in form.errors.values() for error in errors)
        )
    ids = panel_ids(document.panel, request.POST.dict())
    if document.panel.required and not ids.person:
        return _no_panel_id(request)
    arrival = services.Arrival(
        key=form.cleaned_data["key"],
        language=form.cleaned_data["language"],
        person=ids.person,
        pool=pool_in(document, request.POST.get(PARAMETER, "")),
        panel_study=ids.study,
        panel_session=ids.session,
        details=_first_seen(request),
        rehearsal_seed=form.cleaned_data["rehearsal"],
    )
    try:
        participation = services.start_participation(study=study, arrival=arrival, now=timezone.now())
    except ConflictError:
        return _closed(request, study)
    # with a panel id alone somebody else's participation may have been found
    grant(request, participation, "full" if participation.pk == arrival.participation_id else "panel")
    return redirect(current_url(participation))


@require_http_methods(["GET", "HEAD", "POST"])
@never_cache
def return_by_link(request: HttpRequest, token: str) -> HttpResponse:
    """The personal return link: GET asks, POST lets this browser hold the participation and leaves a clean address."""
    participation = (
        Participation.objects.select_related("study", "version").filter(return_token_sha256=token_sha256(token)).first()
    )
    if participation is None:
        raise NotFoundError(_("This link is not complete, or it is not valid any more."))
    if request.method == "POST":
        # a session that somebody else may know must not become a trusted one
        request.session.cycle_key()
        grant(request, participation, "full")
        return redirect(current_url(participation))
    document = document_of(participation.version)
    translation.activate(participation.language)
    context = _welcome_context(participation.study, document, participation.language)
    return render(request, "participation/return.html", context)


# ---- parts of the above ----------------------------------------------------------------------------------------------
def _study(slug: str) -> Study:
    study = Study.objects.select_related("current").defer("draft", "current__document").filter(slug=slug).first()
    if study is None:
        raise NotFoundError(_("There is no study at this address."))
    return study


def _held_in(request: HttpRequest, study: Study) -> Participation | None:
    """The participation in this study that this browser holds."""
    ids = held_ids(request)
    if not ids:
        return None
    return Participation.objects.select_related("version").filter(pk__in=ids, study=study).order_by("ordinal").last()


def _same_person(
    held: Participation | None, study: Study, document: StudyDocument, ids: PanelIds
) -> Participation | None:
    """What this browser holds, unless the link is somebody else's: two people may share a computer."""
    if held is None or not ids.person:
        return held
    known = held.annotator.identities.values_list("external_id", flat=True)
    return held if ids.person in known else None


def _language(request: HttpRequest, document: StudyDocument) -> str:
    """The one asked for, else the browser's, else the document's first."""
    wanted = [request.GET.get("lang", ""), translation.get_language() or ""]
    codes = [code for code in wanted for code in (code, code.split("-", maxsplit=1)[0])]
    return next((code for code in codes if code in document.languages), document.languages[0])


def _other_language(request: HttpRequest, code: str) -> str:
    query = request.GET.copy()
    query["lang"] = code
    return f"?{query.urlencode()}"


def _welcome_context(study: Study, document: StudyDocument, language: str) -> dict[str, Any]:
    return {
        "study": study,
        "document": document,
        "title": in_language(document.title, language),
        "summary": in_language(document.summary, language),
        "payment": _payment(document),
        "payment_note": in_language(document.payment.note, language),
        "way": [_way(step, language) for step in document.steps[: steps_to_do(document)]],
        "language": language,
        "frame": Frame(
            title="",
            language=language,
            dir=direction(language),
            contact=document.contact,
        ),
    }


def _payment(document: StudyDocument) -> str:
    """The amount as people write it, e.g. 9.90 GBP."""
    payment = document.payment
    return "" if payment.amount is None else f"{payment.amount:.2f} {payment.currency}".strip()


def _way(step: Any, language: str) -> dict[str, Any]:
    """A step in the list of what happens."""
    usual = {
        "consent": _("Information and consent"),
        "questionnaire": _("Questions about you"),
        "conversations": _("Conversations with AI models"),
    }
    title = in_language(step.title, language) or usual.get(step.kind, _("Some information"))
    return {"title": title, "minutes": round(step.minutes)}


def _pool_link(request: HttpRequest, document: StudyDocument) -> dict[str, str]:
    """The link's pool as the start form carries it on; a value that is not signed by us goes no further."""
    token = request.GET.get(PARAMETER, "")
    return {PARAMETER: token} if pool_in(document, token) else {}


def _first_seen(request: HttpRequest) -> dict[str, str]:
    headers = {"user_agent": "User-Agent", "languages": "Accept-Language"}
    return {name: request.headers.get(header, "")[:400] for name, header in headers.items()}


def _closed(request: HttpRequest, study: Study) -> HttpResponse:
    texts = {
        Study.State.DRAFT: (_("This study has not begun yet"), _("Come back with the same link when it has.")),
        Study.State.PAUSED: (
            _("This study is taking a break"),
            _("Nobody new can begin at the moment. Come back later with the same link."),
        ),
        Study.State.CLOSED: (_("This study is over"), _("It takes no new participants. Thank you for your interest.")),
    }
    heading, text = texts.get(Study.State(study.state), texts[Study.State.DRAFT])
    more = _("If you began before, your personal return link still leads to your place.")
    return error_page(request, 403, heading=heading, text=f"{text} {more}")


def _no_panel_id(request: HttpRequest) -> HttpResponse:
    return error_page(
        request,
        400,
        heading=_("Your link is not complete"),
        text=_("It lacks the id that your panel adds. Go back to the panel and open the study from there."),
    )
