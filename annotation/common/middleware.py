"""What every request passes: an id for the logs, and domain errors turned into pages."""

import uuid
from collections.abc import Callable

import structlog
from asgiref.sync import iscoroutinefunction, markcoroutinefunction
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render

from annotation.common.errors import DomainError

GetResponse = Callable[[HttpRequest], HttpResponse]


class request_ids:  # noqa: N801 - used like a function in the settings
    """Gives each request an id, bound to every log line and sent back, so that a report can be traced."""

    sync_capable = async_capable = True

    def __init__(self, get_response: GetResponse) -> None:
        self.get_response = get_response
        if iscoroutinefunction(get_response):
            markcoroutinefunction(self)

    def __call__(self, request: HttpRequest) -> HttpResponse:
        if iscoroutinefunction(self):
            return self._later(request)  # type: ignore[return-value]  # Django awaits it where it is a coroutine
        request_id = self._bind()
        response = self.get_response(request)
        response["X-Request-ID"] = request_id
        return response

    async def _later(self, request: HttpRequest) -> HttpResponse:
        request_id = self._bind()
        response = await self.get_response(request)  # type: ignore[misc]  # async in this branch
        response["X-Request-ID"] = request_id
        return response

    @staticmethod
    def _bind() -> str:
        request_id = uuid.uuid4().hex[:12]
        structlog.contextvars.clear_contextvars()
        structlog.contextvars.bind_contextvars(request=request_id)
        return request_id


class domain_errors:  # noqa: N801 - used like a function in the settings
    """The one place where a `DomainError` becomes a page."""

    sync_capable = async_capable = True

    def __init__(self, get_response: GetResponse) -> None:
        self.get_response = get_response
        if iscoroutinefunction(get_response):
            markcoroutinefunction(self)

    def __call__(self, request: HttpRequest) -> HttpResponse:
        return self.get_response(request)

    def process_exception(self, request: HttpRequest, exception: Exception) -> HttpResponse | None:
        if not isinstance(exception, DomainError):
            return None
        context = {"error": exception, "status": exception.status}
        return render(request, "common/error.html", context, status=exception.status)
