"""A worker tries what endpoints can do: one trial at a time, when they are new or another server, and when asked to."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from django.db import connection

from models_serving.catalog import tasks
from models_serving.catalog.models import ServedEndpoint, ServedModel
from models_serving.catalog.pages import model_page
from models_serving.catalog.services import (
    begin_due_trials,
    begin_trial,
    check_due_health,
    check_health,
    health,
    own_endpoint,
    register_models,
    trials,
)
from models_serving.client import ExaminationError
from models_serving.contracts import Endpoint, Report
from tests.models_serving.dialects import Behaving, Ollama, Vllm
from tests.models_serving.stub import StubServer

NOW = datetime(2026, 11, 21, 12, tzinfo=UTC)
pytestmark = pytest.mark.django_db


@pytest.fixture
def sent(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """The endpoints that workers were told to try."""
    told: list[int] = []
    monkeypatch.setattr(tasks.try_endpoint, "delay", told.append)
    return told


def served(stub: StubServer, behaving: Behaving, **declared: Any) -> ServedEndpoint:
    behaving.at(stub)
    [model] = register_models(declarations=[{"name": "m", "url": stub.url} | declared])
    check_health(served_model=model, now=NOW)
    own = own_endpoint(served_model=model)
    assert own is not None
    return own


def facts(row: ServedEndpoint, now: datetime) -> dict[str, str]:
    shown: Any = model_page(row.served_model, now)["endpoints"]
    return dict(shown[0].facts)


def test_whoever_presses_the_button_waits_for_nothing_and_reads_since_when_it_is_tried(
    stub: StubServer, sent: list[int], django_capture_on_commit_callbacks: Callable[..., Any]
) -> None:
    server = Vllm()
    own = served(stub, server)
    with django_capture_on_commit_callbacks(execute=True):
        assert [begin_trial(endpoint=own, now=NOW), begin_trial(endpoint=own, now=NOW)] == [True, False]
    assert (sent, server.asked, facts(own, NOW)["being tried"]) == ([own.pk], [], "since 12:00:00")
    tasks.try_endpoint(own.pk)
    assert facts(own, NOW)["tried"].startswith("2026-11-21 12:00")
    own.refresh_from_db()
    assert ("top_k" in own.capabilities["honours"], own.trial_began_at) == (True, None)


def test_a_new_endpoint_is_tried_by_itself_once_it_is_well(
    stub: StubServer, sent: list[int], django_capture_on_commit_callbacks: Callable[..., Any]
) -> None:
    own = served(stub, Vllm())
    register_models(
        declarations=[{"name": "scripted", "backend": "scripted"}, {"name": "ill", "url": "http://127.0.0.1:1/v1"}]
    )
    for name in ("scripted", "ill"):
        check_health(served_model=ServedModel.objects.get(name=name), now=NOW)
    with django_capture_on_commit_callbacks(execute=True):
        assert [begin_due_trials(now=NOW), begin_due_trials(now=NOW)] == [1, 0]
    tasks.try_endpoint(own.pk)
    assert begin_due_trials(now=NOW + timedelta(days=1)) == 0
    # another server, another trial
    Ollama().at(stub)
    check_health(served_model=own.served_model, now=NOW + timedelta(days=1))
    with django_capture_on_commit_callbacks(execute=True):
        assert begin_due_trials(now=NOW + timedelta(days=1)) == 1
    assert sent == [own.pk, own.pk]


def test_our_own_engine_is_known_and_not_tried(stub: StubServer) -> None:
    class Ours(Vllm):
        owner = "plurivox"

        def models(self) -> dict[str, Any]:
            return {"data": [{"id": self.model, "owned_by": "plurivox", "plurivox": {"revision": {}}}]}

    served(stub, Ours())
    assert begin_due_trials(now=NOW) == 0


def test_a_trial_that_comes_to_nothing_says_why_and_is_repeated_an_hour_later(stub: StubServer) -> None:
    own = served(stub, Vllm())
    assert begin_due_trials(now=NOW) == 1
    Vllm(trouble="unknown_model").at(stub)
    tasks.try_endpoint(own.pk)
    assert facts(own, NOW)["the last trial"].startswith("came to nothing: refused: HTTP 404")
    later = [NOW + timedelta(minutes=minutes) for minutes in (59, 61)]
    assert [begin_due_trials(now=now) for now in later] == [0, 1]


def test_a_trial_of_which_nothing_is_heard_is_begun_anew(stub: StubServer) -> None:
    own = served(stub, Vllm())
    begin_trial(endpoint=own, now=NOW)
    later = [NOW + timedelta(minutes=minutes) for minutes in (14, 16)]
    assert [begin_trial(endpoint=own, now=now) for now in later] == [False, True]


def test_a_trial_leaves_nothing_where_the_endpoint_was_moved_meanwhile(
    stub: StubServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    own = served(stub, Vllm())
    begin_trial(endpoint=own, now=NOW)
    really = trials.examine

    def examine(endpoint: Endpoint, name: str) -> Any:
        register_models(declarations=[{"name": "m", "url": "http://elsewhere/v1"}])
        return really(endpoint, name)

    monkeypatch.setattr(trials, "examine", examine)
    tasks.try_endpoint(own.pk)
    own.refresh_from_db()
    assert (own.capabilities, own.examined_at, own.trial_began_at) == ({}, None, None)


@pytest.mark.django_db(transaction=True)
def test_a_trial_holds_no_database_connection_while_the_model_talks(
    stub: StubServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    own = served(stub, Vllm())
    ServedEndpoint.objects.update(trial_began_at=NOW)
    held = []

    def examine(endpoint: Endpoint, name: str) -> Any:
        held.append(connection.connection)
        raise ExaminationError("not now")

    monkeypatch.setattr(trials, "examine", examine)
    tasks.try_endpoint(own.pk)
    assert (held, ServedEndpoint.objects.get().trial_error) == ([None], "not now")


def test_health_checks_are_not_heaped_upon_an_endpoint_that_is_slow_to_answer(
    stub: StubServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    [model] = register_models(declarations=[{"name": "m", "backend": "scripted"}])
    meanwhile = []

    def slow(endpoint: Endpoint, name: str) -> Report:
        return Report(reachable=True, serves=True)

    def checking(*, served_models: list[ServedModel], now: datetime) -> list[ServedModel]:
        if served_models:
            meanwhile.append([one.name for one in check_due_health(now=now + timedelta(seconds=10))])
        return really(served_models=served_models, now=now)

    really = health.check_these
    monkeypatch.setattr(health, "probe", slow)
    monkeypatch.setattr(health, "check_these", checking)
    assert [one.name for one in check_due_health(now=NOW)] == ["m"]
    assert meanwhile == [[]]
    # whoever died in a check keeps nobody from the next one for long
    ServedModel.objects.update(being_checked_until=NOW + timedelta(seconds=60))
    assert [len(check_due_health(now=NOW + timedelta(seconds=seconds))) for seconds in (59, 60)] == [0, 1]
    model.refresh_from_db()
    assert model.being_checked_until is None
