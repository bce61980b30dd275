"""The API's description of itself, and a page to read it. Both are public: they tell what the source code tells."""

from functools import cache
from threading import Lock
from typing import Any

from django.http import HttpRequest, HttpResponse, JsonResponse
from django.shortcuts import render
from django.views.decorators.csrf import csrf_exempt
from django.views.decorators.http import require_safe
from drf_spectacular.generators import SchemaGenerator

from annotation.api.problems import ProblemRenderer, problem

_MAKING = Lock()


@require_safe
def schema(request: HttpRequest) -> HttpResponse:
    """The OpenAPI document."""
    return JsonResponse(openapi(), content_type="application/vnd.oai.openapi+json")


@require_safe
def docs(request: HttpRequest) -> HttpResponse:
    """The same for people: every script and style comes from this server."""
    return render(request, "api/docs.html")


@csrf_exempt
def nothing(request: HttpRequest, rest: str = "") -> HttpResponse:
    """Whatever else is asked for below the API's address."""
    body = problem(404, "There is no such address in the API; see /api/v1/docs/.")
    return JsonResponse(body, status=404, content_type=ProblemRenderer.media_type)


def openapi() -> dict[str, Any]:
    """Made once per process: it follows from the code alone. One thread at a time, because what makes it is not meant
    for two."""
    with _MAKING:
        return _made()


@cache
def _made() -> dict[str, Any]:
    generator = SchemaGenerator()  # type: ignore[no-untyped-call]  # it has no types
    made: dict[str, Any] = generator.get_schema(request=None, public=True)  # type: ignore[no-untyped-call]  # as above
    return made
