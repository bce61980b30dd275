"""What every request passes: an id for the logs, the content policy of the admin, forms that a script sends, and domain
errors turned into pages."""

import uuid
from collections.abc import Callable

import structlog
from django.conf import settings
from django.http import HttpRequest, HttpResponse
from django.http.response import HttpResponseBase

from annotation.common.errors import DomainError
from annotation.common.views import domain_error_page

GetResponse = Callable[[HttpRequest], HttpResponseBase]


class Middleware:
    """Runs `before` and `after` around a request. In threads alone, as all middleware here: what can run in the event
    loop, too, Django's own included, goes to a thread and back for each half of each of them."""

    sync_capable, async_capable = True, False

    def __init__(self, get_response: GetResponse) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponseBase:
        self.before(request)
        return self.after(request, self.get_response(request))

    def before(self, request: HttpRequest) -> None:
        """Look at the request."""

    def after(self, request: HttpRequest, response: HttpResponseBase) -> HttpResponseBase:
        """The response, changed or another."""
        return response


class request_ids(Middleware):  # noqa: N801 - used like a function in the settings
    """Gives each request an id, bound to every log line and sent back, so that a report can be traced."""

    def before(self, request: HttpRequest) -> None:
        request.request_id = uuid.uuid4().hex[:12]  # type: ignore[attr-defined]  # read again below
        structlog.contextvars.clear_contextvars()
        structlog.contextvars.bind_contextvars(request=request.request_id)  # type: ignore[attr-defined]  # see above

    def after(self, request: HttpRequest, response: HttpResponseBase) -> HttpResponseBase:
        response.headers["X-Request-ID"] = request.request_id  # type: ignore[attr-defined]  # see above
        return response


class admin_policy(Middleware):  # noqa: N801 - used like a function in the settings
    """Gives the admin's pages the wider content policy that its widgets need, and no other page."""

    def after(self, request: HttpRequest, response: HttpResponseBase) -> HttpResponseBase:
        if request.path_info.startswith("/admin/"):
            response._csp_replace = settings.ADMIN_CONTENT_SECURITY_POLICY  # type: ignore[attr-defined]  # csp reads it
        return response


class form_redirects(Middleware):  # noqa: N801 - used like a function in the settings
    """What static/js/form.js or htmx sent is told where to go instead of being redirected there, because a script
    cannot see a redirect: it would load the next page twice, or put it into a part of this one."""

    headers = {"X-PV-Form": "X-PV-Location", "HX-Request": "HX-Redirect"}

    def after(self, request: HttpRequest, response: HttpResponseBase) -> HttpResponseBase:
        header = next((told for sent, told in self.headers.items() if sent in request.headers), None)
        if header is None or response.status_code not in {301, 302, 303, 307, 308}:
            return response
        told = HttpResponse(status=204, headers={header: response.headers["Location"]})
        told.cookies = response.cookies
        return told


class domain_errors(Middleware):  # noqa: N801 - used like a function in the settings
    """Where a `DomainError` becomes a page, unless a view knows a better one: with a way back to the step."""

    def process_exception(self, request: HttpRequest, exception: Exception) -> HttpResponse | None:
        return domain_error_page(request, exception) if isinstance(exception, DomainError) else None
