"""How an endpoint stands: what was found about it counts as long as the same server answers there, and no longer."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from django.contrib.auth import get_user_model
from django.test import Client
from django.urls import reverse

from models_serving.catalog.models import HealthChange, ServedEndpoint, ServedModel
from models_serving.catalog.pages import model_page
from models_serving.catalog.queries import honoured_by
from models_serving.catalog.services import check_health, examine_endpoint, health, own_endpoint, register_models
from models_serving.contracts import Endpoint, Report
from tests.models_serving.dialects import Behaving, Ollama, Vllm
from tests.models_serving.stub import StubServer

NOW = datetime(2026, 11, 21, 12, tzinfo=UTC)
LATER = NOW + timedelta(minutes=1)
pytestmark = pytest.mark.django_db
FOUND = {"dialect": "vllm", "honours": ["temperature", "top_k"]}
STOOD = {"health": "healthy", "failures": 7, "capabilities": FOUND, "examined_at": NOW}
FORGOTTEN = ("unknown", 0, {}, None)


class Newer(Vllm):
    told = {"version": "0.12.0"}


def tried(stub: StubServer) -> tuple[ServedModel, ServedEndpoint]:
    """A model at a vLLM that was tried."""
    Vllm().at(stub)
    [model] = register_models(declarations=[{"name": "m", "url": stub.url}])
    own = own_endpoint(served_model=model)
    assert own is not None
    check_health(served_model=model, now=NOW)
    examine_endpoint(endpoint=own, now=NOW)
    return model, own


def standing(row: ServedEndpoint) -> tuple[Any, ...]:
    row.refresh_from_db()
    return row.health, row.failures, row.capabilities, row.examined_at


@pytest.mark.parametrize(
    ("other", "found"),
    [
        (Ollama(), {"dialect": "ollama", "version": "0.12.3"}),
        (Newer(), {"dialect": "vllm", "version": "0.12.0", "context": 4096}),
    ],
    ids=["another server", "another version"],
)
def test_what_a_trial_found_is_forgotten_when_something_else_answers(
    stub: StubServer, other: Behaving, found: dict[str, Any]
) -> None:
    model, own = tried(stub)
    assert "top_k" in honoured_by(model)
    other.at(stub)
    check_health(served_model=model, now=LATER)
    own.refresh_from_db()
    assert (own.capabilities, own.examined_at) == (found, None)
    assert ("top_k" in honoured_by(model)) is isinstance(other, Vllm)


def test_what_a_trial_found_stays_while_the_same_server_answers_or_none(stub: StubServer) -> None:
    model, own = tried(stub)
    before = standing(own)[2:]
    check_health(served_model=model, now=LATER)
    stub.shut()
    check_health(served_model=model, now=LATER + timedelta(minutes=5))
    assert (own.health, standing(own)[2:]) == ("healthy", before)
    assert ServedEndpoint.objects.get().health == "unhealthy"


def test_another_trial_looks_which_server_it_is_now(stub: StubServer) -> None:
    _, own = tried(stub)
    Ollama().at(stub)
    examine_endpoint(endpoint=own, now=LATER)
    assert (own.capabilities["dialect"], "top_k" in own.capabilities["honours"]) == ("ollama", False)


def test_the_page_says_how_old_a_trial_is(stub: StubServer) -> None:
    model, _ = tried(stub)
    shown: Any = model_page(model, NOW + timedelta(days=3, hours=1))["endpoints"]
    assert dict(shown[0].facts)["tried"] == "2026-11-21 12:00, 3\N{NO-BREAK SPACE}days, 1\N{NO-BREAK SPACE}hour ago"


def with_two_that_stand(url: str = "http://a/v1") -> tuple[ServedModel, ServedEndpoint, ServedEndpoint]:
    """A model, its own endpoint, and a further one; of both something was found."""
    [model] = register_models(declarations=[{"name": "m", "url": "http://own/v1", "endpoints": [url]}])
    own = own_endpoint(served_model=model)
    assert own is not None
    ServedModel.objects.update(health="healthy")
    ServedEndpoint.objects.update(**STOOD)
    return model, own, model.endpoints.get(url=url)


@pytest.mark.parametrize(
    "changed", [{"served_name": "org/m"}, {"dialect": "ollama"}, {"options": {"include_usage": False}}]
)
def test_a_further_endpoint_that_is_declared_otherwise_is_not_known_any_more(changed: dict[str, Any]) -> None:
    model, own, further = with_two_that_stand()
    register_models(declarations=[{"name": "m", "endpoints": [{"url": "http://a/v1", "most_at_once": 3}]}])
    assert standing(further)[1] == 7
    register_models(declarations=[{"name": "m", "endpoints": [{"url": "http://a/v1"} | changed]}])
    model.refresh_from_db()
    assert (standing(further), standing(own)[1], model.health) == (FORGOTTEN, 7, "unknown")


def posted(model: ServedModel, rows: list[ServedEndpoint], **changes: str) -> None:
    """The model's form, sent as the browser has it, with some fields changed."""
    staff = Client()
    staff.force_login(get_user_model().objects.create_superuser("root", "root@example.org", "pw"))
    form: dict[str, Any] = {
        "name": "m", "enabled": "on", "backend": "openai_compatible", "url": model.url, "options": "{}", "card": "{}",
        "defaults": "{}", "initial-options": "{}", "supported_parameters": "null",
        "first_token_limit": "30.0", "between_tokens_limit": "15.0",
        "endpoints-TOTAL_FORMS": len(rows), "endpoints-INITIAL_FORMS": len(rows),
    }  # fmt: skip
    for number, row in enumerate(rows):
        said = {"id": row.pk, "served_model": model.pk, "url": row.url, "options": "null", "state": "on"}
        form |= {f"endpoints-{number}-{name}": value for name, value in (said | {"most_at_once": 64}).items()}
    answer = staff.post(reverse("admin:catalog_servedmodel_change", args=[model.pk]), form | changes)
    assert answer.status_code == 302


def test_in_the_admin_only_what_is_reached_otherwise_is_not_known_any_more() -> None:
    model, own, further = with_two_that_stand()
    posted(model, [own, further], licence="MIT")
    model.refresh_from_db()
    assert (standing(own)[1], standing(further)[1], model.health, model.licence) == (7, 7, "healthy", "MIT")
    get_user_model().objects.all().delete()
    posted(model, [own, further], **{"endpoints-1-url": "http://b/v1"})
    model.refresh_from_db()
    assert (standing(own)[1], standing(further), model.health) == (7, FORGOTTEN, "unknown")
    get_user_model().objects.all().delete()
    posted(model, [own, further], url="http://elsewhere/v1")
    assert standing(own) == FORGOTTEN


def test_a_check_that_began_earlier_undoes_nothing(stub: StubServer, monkeypatch: pytest.MonkeyPatch) -> None:
    model, own = tried(stub)
    check_health(served_model=model, now=LATER)

    def late(endpoint: Endpoint, name: str) -> Report:
        return Report(reachable=True, serves=False, error="not yet")

    monkeypatch.setattr(health, "probe", late)
    check_health(served_model=model, now=NOW + timedelta(seconds=30))
    model.refresh_from_db()
    assert (model.health, model.health_checked_at, standing(own)[0]) == ("healthy", LATER, "healthy")
    assert list(HealthChange.objects.values_list("health", flat=True)) == ["healthy"]
