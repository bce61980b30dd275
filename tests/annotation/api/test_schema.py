"""What the API says of itself is valid, whole, and read without asking another host."""

import re

import pytest
from django.contrib.staticfiles import finders
from django.test import Client
from drf_spectacular.drainage import GENERATOR_STATS
from drf_spectacular.generators import SchemaGenerator
from drf_spectacular.validation import validate_schema

from annotation.api.rules import MAY
from annotation.api.schema import ALWAYS, WITH_BODY
from annotation.api.urls import urlpatterns
from annotation.api.views.docs import openapi

pytestmark = pytest.mark.django_db
OPERATIONS = {
    (path, method.upper()): operation
    for path, methods in openapi()["paths"].items()
    for method, operation in methods.items()
}


def test_the_description_is_made_without_a_warning_and_is_valid() -> None:
    with GENERATOR_STATS.silence():
        GENERATOR_STATS.reset()
        made = SchemaGenerator().get_schema(request=None, public=True)
        assert (dict(GENERATOR_STATS._warn_cache), dict(GENERATOR_STATS._error_cache)) == ({}, {})
    validate_schema(made)
    assert made["openapi"] == "3.1.0"


def test_every_address_of_the_table_is_described_with_its_methods() -> None:
    described = {(re.sub(r"{\w+}", "{}", path), method) for path, method in OPERATIONS}
    wanted = {
        (re.sub(r"<\w+:\w+>", "{}", f"/api/v1/{one.pattern}"), method)
        for one in urlpatterns
        if one.name in MAY
        for method in MAY[str(one.name)]
    }
    assert described == wanted


def test_every_operation_has_its_name_its_words_and_its_refusals() -> None:
    names = [operation["operationId"] for operation in OPERATIONS.values()]
    assert len(set(names)) == len(names)
    assert [path for path, operation in OPERATIONS.items() if not operation.get("description")] == []
    for (path, method), operation in OPERATIONS.items():
        needed = {*ALWAYS, *(WITH_BODY if method == "POST" else ()), *((404,) if "{" in path else ())}
        assert {str(status) for status in needed} - set(operation["responses"]) == set()
        assert [status for status in operation["responses"] if status.startswith("2")] != []
        assert operation["security"] == [{"token": []}]


def test_the_description_is_served_as_it_is_made() -> None:
    response = Client().get("/api/v1/schema/")
    assert (response["Content-Type"], response.json()) == ("application/vnd.oai.openapi+json", openapi())


def test_the_page_of_it_asks_only_this_server_and_keeps_the_strict_policy() -> None:
    response = Client().get("/api/v1/docs/")
    html = response.content.decode()
    asked = re.findall(r'(?:src|href)="([^"]+)"', html)
    assert [address for address in asked if not address.startswith(("/static/", "/api/v1/schema/"))] == []
    assert [address for address in asked if address.startswith("/static/") and not finders.find(address[8:])] == []
    assert ("<style" in html, "style=" in html, re.findall(r"<script[^>]*>[^<]", html)) == (False, False, [])
    policy = response["Content-Security-Policy"]
    assert ("unsafe" in policy, "default-src 'self'" in policy) == (False, True)
