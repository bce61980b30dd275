"""Static files from the web process itself, whole: under ASGI Django would warn about WhiteNoise's file iterators and
send every request through a thread because WhiteNoise is synchronous."""

import asyncio
from collections.abc import Awaitable
from typing import cast

from asgiref.sync import iscoroutinefunction, markcoroutinefunction
from django.http import HttpRequest, HttpResponse
from django.http.response import HttpResponseBase
from whitenoise.middleware import WhiteNoiseMiddleware
from whitenoise.responders import StaticFile


class static_files(WhiteNoiseMiddleware):  # type: ignore[misc]  # no types  # noqa: N801 - used like a function in the settings
    """Answers for static files, in threads and in the event loop alike."""

    sync_capable = async_capable = True

    def __init__(self, get_response: object) -> None:
        super().__init__(get_response)
        self.is_async = iscoroutinefunction(get_response)
        if self.is_async:
            markcoroutinefunction(self)

    def __call__(self, request: HttpRequest) -> HttpResponseBase | Awaitable[HttpResponseBase]:
        if self.is_async:
            return self._later(request)
        found = self._found(request)
        return self.serve(found, request) if found else cast("HttpResponseBase", self.get_response(request))

    async def _later(self, request: HttpRequest) -> HttpResponseBase:
        found = self._found(request)
        if found:
            return await asyncio.to_thread(self.serve, found, request)
        return cast("HttpResponseBase", await self.get_response(request))

    def _found(self, request: HttpRequest) -> StaticFile | None:
        path = request.path_info
        return self.find_file(path) if self.autorefresh else self.files.get(path)

    @staticmethod
    def serve(static_file: StaticFile, request: HttpRequest) -> HttpResponse:
        answer = static_file.get_response(request.method, request.META)
        content = b""
        if answer.file is not None:
            with answer.file as file:
                content = file.read()
        return HttpResponse(content, status=int(answer.status), headers=dict(answer.headers))
