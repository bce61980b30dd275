"""The page that describes the API, in a real browser under the strict content policy."""

import pytest
from playwright.sync_api import Page, expect

from annotation.api.views.docs import openapi


@pytest.fixture
def site_url(transactional_db: None, _web: str) -> str:
    """No worker is needed to read."""
    return _web


def test_every_operation_can_be_read_and_no_other_host_is_asked(page: Page, site_url: str) -> None:
    asked: list[str] = []
    complaints: list[str] = []
    page.on("request", lambda request: asked.append(request.url))
    page.on("console", lambda message: complaints.append(message.text) if message.type == "error" else None)
    page.goto("/api/v1/docs/")
    operations = sum(len(methods) for methods in openapi()["paths"].values())
    expect(page.locator(".opblock")).to_have_count(operations)
    page.locator("#operations-assignments-lease .opblock-summary-control").click()
    expect(page.locator("#operations-assignments-lease .responses-table").first).to_be_visible()
    assert [url for url in asked if not url.startswith((site_url, "data:"))] == []
    assert complaints == []
