"""What the pages of every kind of step share: who is elsewhere is led there, and what has moved on is explained."""

from collections.abc import Callable
from dataclasses import dataclass
from functools import wraps
from typing import Any
from uuid import UUID

from django.http import HttpRequest, HttpResponseBase
from django.shortcuts import redirect
from django.urls import reverse
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_http_methods

from annotation.common.errors import ConflictError
from annotation.common.views import error_page
from annotation.participation.access import ElsewhereError
from annotation.participation.queries import current_url

View = Callable[..., HttpResponseBase]
PAGE_METHODS = ["GET", "HEAD", "POST"]


@dataclass(frozen=True)
class StepPages:
    """The pages of one kind of step. `here` finds out who is where, `address` is the name of the page that one comes
    back to."""

    here: Callable[[HttpRequest, UUID, str], Any]
    address: str

    def page(self, view: View) -> View:
        """Hands the view who is where. Whoever is elsewhere is led there; what has moved on is explained, with a
        link."""

        @wraps(view)
        def inner(request: HttpRequest, pid: UUID, step: str, **kwargs: Any) -> HttpResponseBase:
            try:
                return view(request, self.here(request, pid, step), **kwargs)
            except ElsewhereError as elsewhere:
                return redirect(current_url(elsewhere.participation))
            except ConflictError as error:
                return error_page(request, error.status, text=error.text, link=reverse(self.address, args=[pid, step]))

        return never_cache(require_http_methods(PAGE_METHODS)(inner))

    def form(self, view: View) -> View:
        """`page` for an address that only takes forms: whoever reloads it is led to the page."""

        @wraps(view)
        def inner(request: HttpRequest, at: Any, **kwargs: Any) -> HttpResponseBase:
            if request.method == "POST":
                return view(request, at, **kwargs)
            return redirect(self.address, at.participation.pk, at.step.name)

        return self.page(inner)
