"""Requests that follow the API's own description, and requests that break it, sent with a token of each scope: no
mistake of ours comes back, and every answer is one that the description promises."""

from collections.abc import Iterator
from typing import Any

import pytest
import schemathesis
from django.core.signals import request_finished, request_started
from django.core.wsgi import get_wsgi_application
from django.db import close_old_connections
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
from tests.annotation.api.world import World

pytestmark = pytest.mark.django_db
EXAMPLES = 8
CHECKS = [
    not_a_server_error,
    status_code_conformance,
    content_type_conformance,
    response_headers_conformance,
    response_schema_conformance,
]
the_same_each_time = hypothesis_settings(
    max_examples=EXAMPLES,
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
    answered = {operation.label: attacked(operation, world, headers) for operation in operations}


def attacked(operation: Any, world: World, headers: dict[str, str]) -> set[int]:
    """The statuses that requests to it were answered with; half of them ask for what is there."""
    statuses: set[int] = set()
    for mode in GenerationMode:

        @the_same_each_time
        @given(case=operation.as_strategy(generation_mode=mode), exists=strategies.booleans())
        def one(case: Any, exists: bool) -> None:
            if exists:
                case.path_parameters = world.real(operation.path)
            response = case.call(headers=headers)
            case.validate_response(response, checks=CHECKS)
            statuses.add(response.status_code)

        one()
    return statuses
