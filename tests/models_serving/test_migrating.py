"""A catalogue of the first release, with rows in it, becomes one of today."""

from collections.abc import Iterator
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

import pytest
from django.apps.registry import Apps
from django.db import IntegrityError, connection
from django.db.migrations.executor import MigrationExecutor

pytestmark = pytest.mark.django_db(transaction=True)
NOW = datetime(2026, 11, 21, 12, tzinfo=UTC)
FIRST = [("catalog", "0001_initial")]
ENDPOINT = {
    "url": "http://gpu-2.example/v1", "served_name": "org/qwen", "api_key_env": "LAB_API_KEY", "options": {"a": [1]},
    "dialect": "vllm", "most_at_once": 32, "state": "draining", "health": "unhealthy", "health_detail": "no connection",
    "health_checked_at": NOW, "capabilities": {"honours": ["seed"]}, "examined_at": NOW, "failures": 7,
    "rests_until": NOW,
}  # fmt: skip
MODEL = {
    "name": "qwen", "enabled": False, "url": "http://gpu-1.example/v1", "options": {"extra_body": {"k": 1}},
    "supported_parameters": ["seed"], "card": {"family": "qwen"}, "defaults": {"temperature": 0.5}, "licence": "x",
    "price_input": Decimal("0.1234"), "price_currency": "EUR", "health": "healthy", "health_checked_at": NOW,
}  # fmt: skip


def migrated(targets: list[tuple[str, str]]) -> Apps:
    """The models as they are at these migrations, to which the database is brought."""
    executor = MigrationExecutor(connection)
    executor.migrate(targets)
    return MigrationExecutor(connection).loader.project_state(targets).apps


def newest() -> list[tuple[str, str]]:
    return MigrationExecutor(connection).loader.graph.leaf_nodes("catalog")


@pytest.fixture
def first() -> Iterator[Apps]:
    """The tables as they were then; afterwards they are as they are now."""
    try:
        yield migrated(FIRST)
    finally:
        migrated(newest())


def rows(apps: Apps) -> dict[str, list[dict[str, Any]]]:
    return {
        one.__name__: list(one.objects.order_by("pk").values()) for one in apps.get_app_config("catalog").get_models()
    }


def test_every_row_of_the_first_release_is_as_it_was_with_the_defaults_of_what_came_later(first: Apps) -> None:
    made = {name: first.get_model("catalog", name).objects.create for name in rows(first)}
    model = made["ServedModel"](**MODEL)
    own, endpoint = made["ServedEndpoint"](served_model=model), made["ServedEndpoint"](served_model=model, **ENDPOINT)
    made["OpenRequest"](endpoint=own, until=NOW)
    made["FirstToken"](endpoint=endpoint, load=3, seconds=0.25, at=NOW)
    made["HealthChange"](endpoint=endpoint, health="unhealthy", detail="no connection", at=NOW)
    made["ModelRevision"](served_model=model, fingerprint="f" * 64, facts={"licence": "x"})
    before = rows(first)
    assert {name: len(found) for name, found in before.items()} == dict.fromkeys(before, 1) | {"ServedEndpoint": 2}
    today = migrated(newest())
    now = rows(today)
    connection.check_constraints()
    added = {
        "ServedModel": {"first_token_limit": 30.0, "between_tokens_limit": 15.0, "being_checked_until": None},
        "ServedEndpoint": {"trial_began_at": None, "trial_error": "", "server": ""},
    }
    assert now.pop("EndpointHour") == []
    assert now == {name: [one | added.get(name, {}) for one in found] for name, found in before.items()}
    hours = today.get_model("catalog", "EndpointHour").objects
    hours.create(endpoint_id=own.pk, hour=NOW, ended=1)
    with pytest.raises(IntegrityError):
        hours.create(endpoint_id=own.pk, hour=NOW)
