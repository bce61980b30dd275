"""Requests that follow the API's own description, and requests that break it, sent with a token of each scope: no
mistake of ours comes back, and every answer is one that the description promises."""

from collections.abc import Iterator
from typing import Any

import pytest
import schemathesis
from django.core.signals import request_finished, request_started
from django.core.wsgi import get_wsgi_application
from django.db import close_old_connections
from django.urls import resolve
from hypothesis import HealthCheck, Phase, given, strategies
from hypothesis import settings as hypothesis_settings
from schemathesis.checks import not_a_server_error
from schemathesis.generation import GenerationMode
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    response_headers_conformance,
    response_schema_conformance,
    status_code_conformance,
)

from annotation.api.models import ApiToken
from annotation.api.rules import MAY
from tests.annotation.api.world import World

pytestmark = pytest.mark.django_db
EXAMPLES = 12
# no files are there, because nobody would close those that are sent; no worker checks what could be imported; and this
# study lets nobody change a judgement
BEYOND = {
    "GET /api/v1/exports/{id}/files/{name}",
    "GET /api/v1/media/{id}/",
    "POST /api/v1/set-jobs/{id}/import/",
    "POST /api/v1/assignments/{id}/change/",
}
CHECKS = [
    not_a_server_error,
    status_code_conformance,
    content_type_conformance,
    response_headers_conformance,
    response_schema_conformance,
]
the_same_each_time = hypothesis_settings(
    derandomize=True,
    database=None,
    deadline=None,
    phases=[Phase.generate],
    suppress_health_check=list(HealthCheck),
)


@pytest.fixture(autouse=True)
def _one_connection() -> Iterator[None]:
    """As Django's own test client does: the test's transaction lives on its connection."""
    for signal in (request_started, request_finished):
        signal.disconnect(close_old_connections)
    yield
    for signal in (request_started, request_finished):
        signal.connect(close_old_connections)


@pytest.mark.parametrize("scope", ApiToken.Scope.values)
def test_nothing_that_is_sent_breaks_the_api_or_its_promises(scope: str, settings: Any) -> None:
    settings.API_REQUESTS_PER_MINUTE = 10**9
    world = World()
    headers = {"Authorization": f"Bearer {world.secret(scope)}"}
    schema = schemathesis.openapi.from_wsgi("/api/v1/schema/", get_wsgi_application())
    operations = [found.ok() for found in schema.get_all_operations()]
    allowed = {operation for operation in operations if is_for(operation, scope, world)}
    answered = {one: attacked(one, world, headers, EXAMPLES if one in allowed else 2) for one in operations}
    # the requests do not all break on the first thing that is looked at
    succeeded = {one for one, statuses in answered.items() if any(status < 300 for status in statuses)}
    assert {one.label for one in allowed - succeeded} == BEYOND & {one.label for one in allowed}


def is_for(operation: Any, scope: str, world: World) -> bool:
    """Whether the table gives the scope that operation."""
    path = operation.path.format(**world.real(operation.path))
    return scope in MAY[resolve(path).url_name][operation.method.upper()]


def attacked(operation: Any, world: World, headers: dict[str, str], examples: int) -> set[int]:
    """The statuses that requests to it were answered with. A third of them ask for what is not there, a third for what
    is, and a third have a body that fits as well."""
    statuses: set[int] = set()
    for mode in GenerationMode:

        @hypothesis_settings(the_same_each_time, max_examples=examples)
        @given(case=operation.as_strategy(generation_mode=mode), fits=strategies.integers(0, 2))
        def one(case: Any, fits: int) -> None:
            if fits >= 1:
                case.path_parameters = world.real(operation.path)
            if fits == 2 and (body := world.body(operation.path)) is not None:
                case.body = body
                case.media_type = "multipart/form-data" if "file" in body else "application/json"
            response = case.call(headers=headers)
            case.validate_response(response, checks=CHECKS)
            statuses.add(response.status_code)

        one()
    return statuses
