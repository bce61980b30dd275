"""What every test may ask for. Journeys have a conftest of their own."""

import logging
from collections.abc import Iterator
from dataclasses import dataclass

import pytest
from django.core.cache import cache
from django.utils import timezone

from models_serving.catalog.models import ServedModel
from tests.live import WebServer, Worker, the_real_broker, wait_until

DATABASE_FIXTURES = {"db", "transactional_db", "live_site"}


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """`--database-only` leaves out what no database can change: the second run, on PostgreSQL, need not repeat it."""
    if not config.getoption("--database-only"):
        return
    kept = [item for item in items if _uses_database(item)]
    config.hook.pytest_deselected(items=[item for item in items if not _uses_database(item)])
    items[:] = kept


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--database-only", action="store_true", help="only tests that use the database")


def _uses_database(item: pytest.Item) -> bool:
    return item.get_closest_marker("django_db") is not None or bool(
        DATABASE_FIXTURES & set(getattr(item, "fixturenames", ()))
    )


@pytest.fixture(autouse=True)
def _nothing_remembered() -> Iterator[None]:
    """Counters, drafts and heartbeats of one test are not there in the next."""
    yield
    cache.clear()


@dataclass(frozen=True)
class LiveSite:
    """A running site. `worker.stop()` (a kill) and `worker.start()` are there for tests of faults."""

    url: str
    worker: Worker


@pytest.fixture(scope="session")
def _web(django_db_setup: None) -> Iterator[str]:
    for name in ("uvicorn.error", "uvicorn.access"):
        logging.getLogger(name).setLevel(logging.WARNING)
    server = WebServer()
    yield server.start()
    server.stop()


@pytest.fixture(scope="session")
def _worker(django_db_setup: None) -> Iterator[Worker]:
    worker = Worker()
    yield worker
    worker.stop()


@pytest.fixture
def live_site(transactional_db: None, _web: str, _worker: Worker) -> Iterator[LiveSite]:
    """Web and worker on this test's database; streams stream. The worker starts with the first test that asks."""
    with the_real_broker():
        if not _worker.running:
            _worker.start()
        yield LiveSite(_web, _worker)
        # What this test left running must not write into the next one's rows.
        if _worker.running and _still_busy(_worker):
            _worker.stop()


def _still_busy(worker: Worker) -> bool:
    try:
        wait_until("the worker is idle", lambda: not worker.busy(), seconds=3)
    except AssertionError:
        return True
    return False


SCRIPTED_MODELS = {
    "terse": "Short answer to turn {turn}: yes.",
    "warm": "Thank you for asking about {prompt}. Here is turn {turn}, with all my heart.",
    "formal": "In reply to your enquiry, I should like to state the following at turn {turn}.",
    "playful": "Ooh, turn {turn}! Let us juggle that one: **hop**, skip and `jump`.",
}


@pytest.fixture
def served_models(db: None) -> dict[str, ServedModel]:
    """Four models of four voices in the catalogue, each answering from a script."""
    return {
        name: ServedModel.objects.create(
            name=name,
            backend="scripted",
            served_name=name,
            options={"text": text},
            health=ServedModel.Health.HEALTHY,
            health_checked_at=timezone.now(),
        )
        for name, text in SCRIPTED_MODELS.items()
    }
