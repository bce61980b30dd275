"""Static files from the web process itself, whole: under ASGI Django would warn about WhiteNoise's file iterators."""

from django.http import HttpRequest, HttpResponse
from whitenoise.middleware import WhiteNoiseMiddleware
from whitenoise.responders import StaticFile


class static_files(WhiteNoiseMiddleware):  # type: ignore[misc]  # no types  # noqa: N801 - used like a function in the settings
    """Answers for static files."""

    @staticmethod
    def serve(static_file: StaticFile, request: HttpRequest) -> HttpResponse:
        answer = static_file.get_response(request.method, request.META)
        content = b""
        if answer.file is not None:
            with answer.file as file:
                content = file.read()
        return HttpResponse(content, status=int(answer.status), headers=dict(answer.headers))
