"""Pages without domain words: errors in the platform's look, a fresh form token, and two pages for machines that
watch over the site."""

from django.http import HttpRequest, HttpResponse, JsonResponse
from django.middleware.csrf import get_token
from django.shortcuts import render
from django.utils import timezone
from django.utils.translation import gettext as _
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_GET, require_safe
from structlog.contextvars import get_contextvars

from annotation.common.errors import DocumentError, DomainError
from annotation.common.health import readiness

# what a page's script looks for to tell a stale form token from any other refusal
CSRF_HEADER = "X-PV-CSRF"


def _words(status: int) -> tuple[str, str]:
    """Heading and text for a status that brings no words of its own."""
    known = {
        400: (_("This did not work"), _("The link or the form is not complete. Go back and try again.")),
        403: (_("This is not open to you"), _("You may have to sign in, or the link may be for somebody else.")),
        404: (_("Nothing is here"), _("The link may be incomplete, or it belongs to another browser than this one.")),
        409: (_("This cannot be done any more"), _("It was done before, or things have moved on.")),
        422: (_("Something does not fit"), _("Go back, look at the marked fields and try again.")),
        429: (_("Too many tries"), _("Wait for a minute and try again. Nothing is lost.")),
    }
    ours = (_("That was our mistake"), _("What was saved before is safe. Wait for a moment and try again."))
    return known.get(status, ours if status >= 500 else known[400])


def error_page(
    request: HttpRequest,
    status: int,
    *,
    heading: str = "",
    text: str = "",
    problems: list[tuple[str, str]] | None = None,
    link: str = "",
) -> HttpResponse:
    """An error in the platform's look. `text` and `problems` are shown to people, `link` leads on."""
    usual_heading, usual_text = _words(status)
    context = {
        "status": status,
        "heading": heading or usual_heading,
        "text": text or usual_text,
        "problems": problems or [],
        "link": link,
        "request_id": get_contextvars().get("request", ""),
    }
    return render(request, "common/error.html", context, status=status)


def domain_error_page(request: HttpRequest, error: DomainError) -> HttpResponse:
    problems = error.problems if isinstance(error, DocumentError) else None
    text = "" if problems or isinstance(error, DocumentError) else error.text
    return error_page(request, error.status, text=text, problems=problems)


def bad_request(request: HttpRequest, exception: Exception) -> HttpResponse:
    return error_page(request, 400)


def forbidden(request: HttpRequest, exception: Exception) -> HttpResponse:
    return error_page(request, 403)


def not_found(request: HttpRequest, exception: Exception) -> HttpResponse:
    return error_page(request, 404)


def server_error(request: HttpRequest) -> HttpResponse:
    return error_page(request, 500)


def csrf_failure(request: HttpRequest, reason: str = "") -> HttpResponse:
    """The token of a form has expired. With scripts the form stays where it is, fetches another and sends again."""
    response = error_page(
        request,
        403,
        heading=_("This page was open for a long time"),
        text=_("What you typed is kept. Go back, reload the page and send it again."),
    )
    response[CSRF_HEADER] = "failed"
    return response


@require_GET
def home(request: HttpRequest) -> HttpResponse:
    """The bare address: people come in by a study's link, staff by the admin."""
    return render(request, "common/home.html")


@require_GET
@never_cache
def csrf(request: HttpRequest) -> JsonResponse:
    """A fresh token for a form that is still on the screen."""
    return JsonResponse({"token": get_token(request)})


@require_safe
@never_cache
def healthz(request: HttpRequest) -> JsonResponse:
    """This process answers."""
    return JsonResponse({"alive": True})


@require_safe
@never_cache
def readyz(request: HttpRequest) -> JsonResponse:
    """The whole site can work: database, storage, workers, models."""
    report = readiness(timezone.now())
    return JsonResponse(report, status=200 if report["ready"] else 503)
