from datetime import timedelta
from typing import Any

import pytest
from django.test import Client
from django.utils import timezone

from annotation.common.health import QUEUES, record_heartbeat
from annotation.items.models import ItemSet, SetJob
from models_serving.catalog.models import ServedEndpoint, ServedModel

pytestmark = pytest.mark.django_db


def parts_that_fail(client: Client) -> tuple[int, list[str]]:
    answer = client.get("/readyz")
    parts = answer.json()["parts"]
    assert answer.json()["ready"] == (answer.status_code == 200)
    return answer.status_code, [name for name, part in parts.items() if not part["ok"]]


@pytest.fixture
def beating() -> None:
    for queue in QUEUES:
        record_heartbeat(queue=queue, now=timezone.now())


def test_the_process_says_that_it_lives_whatever_else_fails(client: Client) -> None:
    answer = client.get("/healthz")
    assert (answer.status_code, answer.json()) == (200, {"alive": True})


def test_the_site_is_ready_when_every_part_is(
    client: Client, beating: None, served_models: dict[str, ServedModel]
) -> None:
    assert parts_that_fail(client) == (200, [])


def test_the_site_is_not_ready_before_any_worker_was_heard_of(client: Client) -> None:
    assert parts_that_fail(client) == (503, ["workers"])


@pytest.mark.parametrize("queue", QUEUES)
def test_the_site_stops_being_ready_when_the_workers_of_one_queue_fall_silent(
    client: Client, beating: None, queue: str
) -> None:
    record_heartbeat(queue=queue, now=timezone.now() - timedelta(seconds=16))
    assert parts_that_fail(client) == (503, ["workers"])
    assert client.get("/readyz").json()["parts"]["workers"]["detail"] == f"nothing heard of: {queue}"


@pytest.mark.parametrize(("kind", "queue"), [("import", "default"), ("generation", "generation")])
def test_a_queue_whose_workers_are_at_long_jobs_is_not_thought_dead(
    client: Client, beating: None, served_models: dict[str, ServedModel], kind: str, queue: str
) -> None:
    now = timezone.now()
    record_heartbeat(queue=queue, now=now - timedelta(seconds=16))
    job = SetJob.objects.create(
        item_set=ItemSet.objects.create(name="long"), kind=kind, state="running", lease_until=now, created_at=now
    )
    assert parts_that_fail(client) == (503, ["workers"])
    SetJob.objects.filter(pk=job.pk).update(lease_until=now + timedelta(minutes=1))
    assert parts_that_fail(client) == (200, [])
    record_heartbeat(queue="upkeep", now=now - timedelta(seconds=16))
    assert parts_that_fail(client) == (503, ["workers"])


@pytest.mark.parametrize("health", [ServedModel.Health.UNKNOWN, ServedModel.Health.UNHEALTHY])
def test_the_site_is_not_ready_while_one_enabled_model_does_not_answer(
    client: Client, beating: None, served_models: dict[str, ServedModel], health: str
) -> None:
    ServedModel.objects.filter(name="warm").update(health=health)
    assert parts_that_fail(client) == (503, ["models"])


def test_a_model_that_is_switched_off_is_not_waited_for(
    client: Client, beating: None, served_models: dict[str, ServedModel]
) -> None:
    ServedModel.objects.filter(name="warm").update(health=ServedModel.Health.UNHEALTHY, enabled=False)
    assert parts_that_fail(client) == (200, [])


def test_a_model_that_was_drained_on_purpose_is_not_waited_for(
    client: Client, beating: None, served_models: dict[str, ServedModel]
) -> None:
    served_models["warm"].endpoints.create(state="draining")
    ServedModel.objects.filter(name="warm").update(health=ServedModel.Health.UNHEALTHY)
    assert parts_that_fail(client) == (200, [])


def test_a_model_of_which_nobody_heard_lately_does_not_answer(
    client: Client, beating: None, served_models: dict[str, ServedModel]
) -> None:
    ServedModel.objects.filter(name="warm").update(health_checked_at=timezone.now() - timedelta(seconds=61))
    assert parts_that_fail(client) == (503, ["models"])
    assert client.get("/readyz").json()["parts"]["models"]["detail"] == "3 of 4 answer"


def test_a_model_lists_itself_in_vain_where_real_requests_come_to_nothing(
    client: Client, beating: None, served_models: dict[str, ServedModel]
) -> None:
    rests = timezone.now() + timedelta(seconds=30)
    failing = served_models["warm"].endpoints.create(failures=5, rests_until=rests)
    assert parts_that_fail(client) == (503, ["models"])
    # one that is only busy answers
    ServedEndpoint.objects.update(failures=0)
    assert parts_that_fail(client) == (200, [])
    ServedEndpoint.objects.update(failures=5)
    # another endpoint of it goes on
    served_models["warm"].endpoints.create(url="x:1")
    assert parts_that_fail(client) == (200, [])
    failing.delete()
    assert parts_that_fail(client) == (200, [])


def test_readiness_names_no_model(client: Client, beating: None, served_models: dict[str, ServedModel]) -> None:
    said = client.get("/readyz").content.decode()
    assert [name for name in served_models if name in said] == []


def test_readiness_takes_four_questions_of_the_database(
    client: Client, beating: None, served_models: dict[str, ServedModel], django_assert_num_queries: Any
) -> None:
    with django_assert_num_queries(4):
        client.get("/readyz")
