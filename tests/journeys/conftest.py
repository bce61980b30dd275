"""A real browser, as a person has one: on a large screen and on a small one."""

from collections.abc import Iterator
from typing import Any

import pytest
from playwright.sync_api import expect

from annotation.conversations.models import Turn
from annotation.items.models import Generation
from tests.browser import HOW_TO_GET_ONE, chromium
from tests.conftest import LiveSite

# a site, a worker and a browser share two cores with whatever else runs there
expect.set_options(timeout=60_000)

# no calls home: they would be refused here and only fill the log
QUIET = (
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--disable-dev-shm-usage",
)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        if "journeys" in item.path.parts:
            item.add_marker(pytest.mark.journey)


@pytest.hookimpl(hookwrapper=True)
def pytest_runtest_makereport(item: pytest.Item) -> Iterator[None]:
    """A journey that failed tells what the site was doing: the end of the worker's log and the state of each turn."""
    outcome = yield
    report = outcome.get_result()  # type: ignore[attr-defined]  # pluggy's result
    site = getattr(item, "funcargs", {}).get("live_site")
    if report.when == "call" and report.failed and isinstance(site, LiveSite):
        said = site.worker.log.read_text(errors="replace") if site.worker.log.exists() else ""
        report.sections.append(("the worker's log", "\n".join(said.splitlines()[-40:])))
        states = [f"{turn.pk} {turn.state}: {_attempts(turn)}" for turn in Turn.objects.all()]
        report.sections.append(("turns", "\n".join(states)))


def _attempts(turn: Turn) -> str:
    attempts = Generation.objects.filter(candidate__item=turn.item_id).order_by("candidate__position", "attempt")
    return ", ".join(f"{one.pool_entry} {one.state} {one.error}" for one in attempts) or "no attempt"


@pytest.fixture(scope="session")
def browser_type_launch_args() -> dict[str, Any]:
    program = chromium()
    if program is None:
        pytest.fail(f"No browser. {HOW_TO_GET_ONE}", pytrace=False)
    return {"executable_path": program, "args": list(QUIET), "headless": True}


@pytest.fixture(scope="session", autouse=True)
def _database_beside_the_browser() -> Iterator[None]:
    """Playwright keeps an event loop in the test's thread, so Django takes plain queries there for a mistake."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("DJANGO_ALLOW_ASYNC_UNSAFE", "true")
        yield


@pytest.fixture
def site_url(live_site: LiveSite) -> str:
    """Which site `page.goto("/…")` reaches. A module may name another."""
    return live_site.url


@pytest.fixture
def browser_context_args(site_url: str) -> dict[str, Any]:
    return {
        "base_url": site_url,
        "viewport": {"width": 1280, "height": 900},
        "locale": "en-GB",
        "reduced_motion": "reduce",
    }


@pytest.fixture
def phone() -> dict[str, int]:
    """The smallest screen that has to do: `page.set_viewport_size(phone)`."""
    return {"width": 375, "height": 740}
