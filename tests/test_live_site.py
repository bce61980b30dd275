"""The fixture that other tests stand on: what it promises, seen through it."""

import httpx

from annotation.common.models import Heartbeat
from annotation.common.tasks import heartbeat
from tests.conftest import LiveSite
from tests.live import wait_until


def test_the_live_site_answers_over_http_and_its_worker_writes_to_the_same_database(live_site: LiveSite) -> None:
    assert httpx.get(f"{live_site.url}/healthz").json() == {"alive": True}
    heartbeat.apply_async(["default"], queue="default")
    wait_until("the worker's row", lambda: Heartbeat.objects.filter(queue="default").exists())
    parts = httpx.get(f"{live_site.url}/readyz").json()["parts"]
    assert parts["workers"]["detail"] == "nothing heard of: generation, upkeep"


def test_a_worker_that_is_killed_can_be_started_again(live_site: LiveSite) -> None:
    live_site.worker.stop()
    heartbeat.apply_async(["generation"], queue="generation")
    live_site.worker.start()
    wait_until("the new worker's row", lambda: Heartbeat.objects.filter(queue="generation").exists())
    assert Heartbeat.objects.count() == 1


def test_nothing_of_the_test_before_is_left(live_site: LiveSite) -> None:
    assert Heartbeat.objects.count() == 0
