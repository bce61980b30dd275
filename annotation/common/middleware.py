"""What every request passes: an id for the logs, and domain errors turned into pages."""

import uuid
from collections.abc import Awaitable, Callable
from typing import cast

import structlog
from asgiref.sync import iscoroutinefunction, markcoroutinefunction
from django.http import HttpRequest, HttpResponse
from django.http.response import HttpResponseBase
from django.shortcuts import render

from annotation.common.errors import DomainError

Answer = HttpResponseBase | Awaitable[HttpResponseBase]
GetResponse = Callable[[HttpRequest], Answer]


class _Both:
    """A middleware that serves sync and async requests alike."""

    sync_capable = async_capable = True

    def __init__(self, get_response: GetResponse) -> None:
        self.get_response = get_response
        self.is_async = iscoroutinefunction(get_response)
        if self.is_async:
            markcoroutinefunction(self)

    def __call__(self, request: HttpRequest) -> Answer:
        return self.get_response(request)


class request_ids(_Both):  # noqa: N801 - used like a function in the settings
    """Gives each request an id, bound to every log line and sent back, so that a report can be traced."""

    def __call__(self, request: HttpRequest) -> Answer:
        request_id = uuid.uuid4().hex[:12]
        structlog.contextvars.clear_contextvars()
        structlog.contextvars.bind_contextvars(request=request_id)
        answer = self.get_response(request)
        if self.is_async:
            return self._marked_later(cast("Awaitable[HttpResponseBase]", answer), request_id)
        return self._marked(cast("HttpResponseBase", answer), request_id)

    async def _marked_later(self, answer: Awaitable[HttpResponseBase], request_id: str) -> HttpResponseBase:
        return self._marked(await answer, request_id)

    @staticmethod
    def _marked(response: HttpResponseBase, request_id: str) -> HttpResponseBase:
        response.headers["X-Request-ID"] = request_id
        return response


class domain_errors(_Both):  # noqa: N801 - used like a function in the settings
    """The one place where a `DomainError` becomes a page."""

    def process_exception(self, request: HttpRequest, exception: Exception) -> HttpResponse | None:
        if not isinstance(exception, DomainError):
            return None
        context = {"error": exception, "status": exception.status}
        return render(request, "common/error.html", context, status=exception.status)
