"""Several endpoints of a model: declared, found out about, shared out among all who ask, drained, and shown."""

import threading
from contextlib import nullcontext
from datetime import UTC, datetime, timedelta
from types import SimpleNamespace
from typing import Any

import pytest
from django.contrib.auth import get_user_model
from django.core.management import call_command
from django.db import OperationalError, connection
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from models_serving.catalog import tasks
from models_serving.catalog.board import CatalogBoard, batch_has_room
from models_serving.catalog.models import (
    EndpointHour,
    FirstToken,
    HealthChange,
    OpenRequest,
    ServedEndpoint,
    ServedModel,
)
from models_serving.catalog.pace import BEGINS_WITH, FEW, LEAST, Pace, carried, class_of, p95, paces_of
from models_serving.catalog.pages import model_page
from models_serving.catalog.queries import carried_by, endpoint_of, honoured_by, taking_work
from models_serving.catalog.services import (
    DeclarationError,
    check_all_health,
    check_health,
    examine_endpoint,
    forget_old_times,
    health,
    move_endpoint,
    own_endpoint,
    record_revision,
    register_models,
    unanswering,
)
from models_serving.catalog.waiting import MOST_LOOKING
from models_serving.client import NoPlace, Place, ask, asking, probe
from models_serving.client.choosing import OPENS_AFTER
from models_serving.contracts import Endpoint, Failed, Finished, Report, Timings, Usage
from tests.models_serving.asking import a_request
from tests.models_serving.dialects import Ollama, Vllm
from tests.models_serving.stub import StubServer

NOW = datetime(2026, 11, 21, 12, tzinfo=UTC)
pytestmark = pytest.mark.django_db


def declared(**changes: Any) -> ServedModel:
    [made] = register_models(declarations=[{"name": "m", "backend": "scripted"} | changes])
    return made


def rows(model: ServedModel) -> list[ServedEndpoint]:
    return list(model.endpoints.select_related("served_model"))


def finished(first_token: float = 0.1) -> Finished:
    return Finished("x", "stop", Usage(), Timings(first_token, 1.0), {}, {})


def failed(kind: Any = "unreachable", retry_after: float | None = None) -> Failed:
    return Failed(kind, "x", "", Timings(None, 3.0), {}, retry_after)


def taken(board: CatalogBoard, tried: frozenset[int] = frozenset()) -> Place:
    place = board.take(tried, 30)
    assert isinstance(place, Place)
    return place


# -- declaring ---------------------------------------------------------------------------------------------------------
def test_further_endpoints_come_and_go_with_the_declaration_and_keep_what_is_known_of_them() -> None:
    further = ["http://a:1/v1", {"url": "http://b:1/v1", "served_name": "org/m", "most_at_once": 3, "dialect": "vllm"}]
    model = declared(endpoints=further)
    assert [(one.url, one.asked_as, one.most_at_once, one.dialect) for one in rows(model)] == [
        ("http://a:1/v1", "m", 64, ""), ("http://b:1/v1", "org/m", 3, "vllm"),
    ]  # fmt: skip
    ServedEndpoint.objects.update(failures=2)
    declared(endpoints=further[1:])
    assert [(one.url, one.failures) for one in rows(model)] == [("http://b:1/v1", 2)]
    declared()
    assert model.endpoints.count() == 1


@pytest.mark.parametrize(
    ("endpoints", "error"),
    [
        ("http://a", "[0].endpoints must be a list"),
        ([1], "[0].endpoints[0] must be an address, or a mapping with url"),
        (
            [{"url": "http://a", "colour": 1}],
            "[0].endpoints[0].colour is unknown; known are url, backend, served_name, api_key_env, options, dialect, most_at_once, server",  # noqa: E501 - one message
        ),
        (
            [{"url": "http://a", "dialect": "latin"}],
            "[0].endpoints[0].dialect: there are plurivox, vllm, sglang, tgi, ollama, llamacpp, ray, openai",
        ),
        (
            [{"url": "http://a", "most_at_once": 0}],
            "[0].endpoints[0].most_at_once: Ensure this value is greater than or equal to 1.",
        ),
    ],
)
def test_a_wrong_endpoint_is_refused_with_its_place(endpoints: Any, error: str) -> None:
    with pytest.raises(DeclarationError) as caught:
        declared(endpoints=endpoints)
    assert (str(caught.value), ServedModel.objects.count()) == (error, 0)


def test_what_an_endpoint_leaves_blank_is_as_the_model_says() -> None:
    model = declared(backend="openai_compatible", url="http://a/v1", options={"include_usage": False})
    own = own_endpoint(served_model=model)
    assert own is not None
    assert endpoint_of(own) == Endpoint("openai_compatible", "http://a/v1", "", {"include_usage": False})
    own.options, own.capabilities = {}, {"dialect": "tgi", "honours": ["seed"]}
    assert endpoint_of(own) == Endpoint("openai_compatible", "http://a/v1", "", {}, frozenset({"seed"}), "tgi")
    model.supported_parameters = ["top_p"]
    own.served_model = model
    assert endpoint_of(own).supported == frozenset({"top_p"})


# -- the board ---------------------------------------------------------------------------------------------------------
def test_the_least_loaded_endpoint_is_asked_and_a_place_is_given_back() -> None:
    model = declared(endpoints=[{"url": f"x:{n}", "most_at_once": 2} for n in range(2)])
    board, another = CatalogBoard(model), CatalogBoard(model)
    places = [taken(board), taken(another), taken(board), taken(another)]
    assert [place.name for place in places] == ["x:0", "x:1", "x:0", "x:1"]
    assert isinstance(board.take(frozenset(), 30), NoPlace)
    another.give_back(places[1], finished())
    assert taken(board).name == "x:1"


@pytest.mark.django_db(transaction=True)
def test_whoever_waits_for_a_model_or_for_a_place_holds_no_database_connection() -> None:
    board = CatalogBoard(declared(endpoints=[{"url": "x:1", "most_at_once": 1}]))
    held = []
    for kind in (Place, NoPlace):
        assert isinstance(board.take(frozenset(), 30), kind)
        held.append(connection.connection)
    assert held == [None, None]


@pytest.mark.parametrize(("most", "for_batches"), [(1, 1), (2, 1), (4, 3), (64, 48)])
def test_a_batch_leaves_places_to_people(most: int, for_batches: int) -> None:
    model = declared(endpoints=[{"url": "x:0", "most_at_once": most}])
    batch, people = CatalogBoard(model, live=False), CatalogBoard(model)
    for _ in range(for_batches):
        assert batch_has_room(model, timezone.now())
        taken(batch)
    assert (batch_has_room(model, timezone.now()), isinstance(batch.take(frozenset(), 30), NoPlace)) == (False, True)
    for _ in range(most - for_batches):
        taken(people)
    assert isinstance(people.take(frozenset(), 30), NoPlace)


def test_a_batch_does_not_wait_for_room_where_every_endpoint_is_at_rest() -> None:
    model = declared(endpoints=[{"url": "x:0"}])
    model.endpoints.update(rests_until=NOW + timedelta(minutes=1))
    assert batch_has_room(model, NOW)


def test_a_place_whose_holder_died_counts_no_more_after_its_time() -> None:
    now = NOW
    model = declared()
    own = own_endpoint(served_model=model)
    ServedEndpoint.objects.update(most_at_once=1)
    board = CatalogBoard(model, lambda: now)
    taken(board)
    assert isinstance(board.take(frozenset(), 30), NoPlace)
    now += timedelta(seconds=41)
    place = taken(board)
    assert place.key == (own.pk if own else None)
    # the next that is given back takes what was left over with it
    board.give_back(place, finished())
    assert OpenRequest.objects.count() == 0


def test_all_processes_see_the_same_breaker_and_switching_on_closes_it() -> None:
    model = declared()
    now = NOW
    for _ in range(OPENS_AFTER):
        board = CatalogBoard(model, lambda: now)
        board.give_back(taken(board), failed())
    refusal = CatalogBoard(model, lambda: now).take(frozenset(), 30)
    assert isinstance(refusal, NoPlace)
    assert (refusal.final, refusal.seconds) == (False, 2.0)
    [row] = rows(model)
    assert (row.failures, row.rests_until) == (OPENS_AFTER, NOW + timedelta(seconds=2))
    move_endpoint(endpoint=row, state="on")
    assert taken(CatalogBoard(model, lambda: now)).key == row.pk


def test_all_processes_may_ask_an_endpoint_again_as_soon_as_one_hears_it_begin() -> None:
    model = declared()
    model.endpoints.update_or_create(url="", defaults={"failures": OPENS_AFTER, "rests_until": NOW})
    here, there = CatalogBoard(model, lambda: NOW), CatalogBoard(model, lambda: NOW)
    trial = taken(here)
    assert (trial.on_trial, type(there.take(frozenset(), 30))) == (True, NoPlace)
    here.begun(trial)
    assert taken(there).on_trial is False
    assert [(row.failures, row.rests_until) for row in rows(model)] == [(0, None)]


def test_an_endpoint_that_drains_gets_nothing_new_and_a_model_that_drains_takes_no_work() -> None:
    model = declared(endpoints=[{"url": "x:0"}, {"url": "x:1"}])
    board = CatalogBoard(model)
    under_way = taken(board)
    move_endpoint(endpoint=rows(model)[0], state="draining")
    assert [taken(board).name for _ in range(3)] == ["x:1"] * 3
    move_endpoint(endpoint=rows(model)[1], state="off")
    refusal = board.take(frozenset(), 30)
    assert isinstance(refusal, NoPlace)
    assert (refusal.why, refusal.final) == ("no endpoint of the model is switched on", True)
    assert list(taking_work()) == []
    board.give_back(under_way, finished())
    move_endpoint(endpoint=rows(model)[0], state="on")
    assert list(taking_work()) == [model]


def test_an_endpoint_that_is_ill_is_asked_only_where_no_other_is_well() -> None:
    model = declared(endpoints=[{"url": "x:0"}, {"url": "x:1"}])
    model.endpoints.filter(url="x:0").update(health="unhealthy")
    board = CatalogBoard(model)
    assert [taken(board).name for _ in range(2)] == ["x:1", "x:1"]
    model.endpoints.update(health="unhealthy")
    assert taken(board).name == "x:0"


@pytest.mark.django_db(transaction=True)
def test_many_that_ask_at_once_never_pass_what_an_endpoint_takes() -> None:
    model = declared(endpoints=[{"url": "x:0", "most_at_once": 2}, {"url": "x:1", "most_at_once": 3}])
    together, places, refusals = threading.Barrier(10), [], []

    def person() -> None:
        together.wait()
        found = CatalogBoard(model).take(frozenset(), 30)
        (places if isinstance(found, Place) else refusals).append(found)
        connection.close()

    threads = [threading.Thread(target=person) for _ in range(10)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(place.name for place in places) == ["x:0", "x:0", "x:1", "x:1", "x:1"]
    assert (len(refusals), OpenRequest.objects.count()) == (5, 5)


def test_a_place_goes_to_one_of_those_who_have_waited_longest_and_the_others_ask_the_database_nothing(
    django_assert_num_queries: Any,
) -> None:
    model = declared(endpoints=[{"url": "x:1", "most_at_once": 1}])
    first = CatalogBoard(model)
    held = taken(first)
    waiting = [CatalogBoard(model) for _ in range(MOST_LOOKING + 2)]
    assert [type(board.take(frozenset(), 30)) for board in waiting] == [NoPlace] * len(waiting)
    first.give_back(held, finished())
    with django_assert_num_queries(0):
        assert [type(board.take(frozenset(), 30)) for board in (*waiting[-2:], CatalogBoard(model))] == [NoPlace] * 3
    place = taken(waiting[0])
    waiting[0].give_back(place, finished())
    # one has moved up
    for board in (CatalogBoard(model), waiting[-1]):
        assert isinstance(board.take(frozenset(), 30), NoPlace)
    assert taken(waiting[-2]).name == "x:1"


@pytest.mark.django_db(transaction=True)
def test_places_that_are_overdue_can_be_given_back_and_cleared_away_at_the_same_moment() -> None:
    model = declared(endpoints=["x:0"])
    together, errors = threading.Barrier(8), []

    def person() -> None:
        together.wait()
        board = CatalogBoard(model)
        try:
            for _ in range(6):
                # over before it begins: the next that is given back clears it away with it
                place = board.take(frozenset(), -60)
                assert isinstance(place, Place)
                board.give_back(place, finished(), waited=0.0)
        except OperationalError as error:
            errors.append(error)
        connection.close()

    threads = [threading.Thread(target=person) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert (errors, OpenRequest.objects.count(), EndpointHour.objects.get().ended) == ([], 0, 48)


def sharing(**changes: Any) -> list[ServedModel]:
    """Two models with an endpoint each on one machine, whatever the first one's further endpoint is."""
    there = [{"url": f"x:{n}", "most_at_once": 2, "server": "gpu-1"} | changes for n in range(2)]
    return register_models(
        declarations=[
            {"name": "one", "backend": "scripted", "endpoints": [there[0], "x:alone"]},
            {"name": "two", "backend": "scripted", "endpoints": [there[1]]},
        ]
    )


def test_endpoints_of_one_server_share_their_places_whatever_model_they_are_of() -> None:
    one, two = sharing()
    first, second = taken(CatalogBoard(one)), taken(CatalogBoard(two))
    # the further endpoint has places of its own
    assert [first.name, second.name, taken(CatalogBoard(one)).name] == ["x:0", "x:1", "x:alone"]
    assert isinstance(CatalogBoard(two).take(frozenset(), 30), NoPlace)
    assert not batch_has_room(two, timezone.now())
    shown: Any = model_page(two, timezone.now())["endpoints"]
    assert [(row.under_way, dict(row.facts)["shares its places"]) for row in shown] == [
        (2, "with all endpoints of gpu-1")
    ]
    CatalogBoard(one).give_back(first, finished())
    assert taken(CatalogBoard(two)).name == "x:1"


def test_what_a_server_carries_is_counted_once() -> None:
    one, two = sharing(most_at_once=64)
    assert [carried_by(one.pk, 1.0, NOW), carried_by(two.pk, 1.0, NOW)] == [BEGINS_WITH // 2 + BEGINS_WITH, 2]
    two.endpoints.update(state="off")
    assert carried_by(one.pk, 1.0, NOW) == BEGINS_WITH * 2


@pytest.mark.django_db(transaction=True)
def test_many_that_ask_two_models_of_one_server_never_pass_what_it_takes() -> None:
    models = sharing(most_at_once=3)
    models[0].endpoints.filter(url="x:alone").delete()
    together, found = threading.Barrier(12), []

    def person(model: ServedModel) -> None:
        together.wait()
        found.append(CatalogBoard(model).take(frozenset(), 30))
        connection.close()

    threads = [threading.Thread(target=person, args=[models[number % 2]]) for number in range(12)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert (len(found), sum(isinstance(one, Place) for one in found)) == (12, 3)


def test_what_one_endpoint_cannot_do_another_one_does_and_no_place_stays_taken(
    stub: StubServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(asking, "PAUSES", ())
    Vllm().at(stub)
    model = declared(
        backend="openai_compatible", url="http://127.0.0.1:1/v1", endpoints=[{"url": stub.url, "dialect": "vllm"}]
    )
    own_endpoint(served_model=model)
    *_, end = ask(CatalogBoard(model), a_request(max_tokens=3))
    assert isinstance(end, Finished)
    assert end.endpoint == stub.url
    assert OpenRequest.objects.count() == 0


def test_an_endpoint_that_cannot_honour_a_request_gets_none_of_it(stub: StubServer) -> None:
    other = StubServer()
    try:
        able, poor = Vllm(), Ollama()
        able.at(stub)
        poor.at(other)
        model = declared(backend="openai_compatible", url=other.url, endpoints=[stub.url])
        own_endpoint(served_model=model)
        check_health(served_model=model, now=NOW)
        ends = [list(ask(CatalogBoard(model), a_request(top_k=5, max_tokens=2)))[-1] for _ in range(3)]
    finally:
        other.close()
    assert [(type(end), end.endpoint, end.tries) for end in ends if isinstance(end, Finished | Failed)] == [
        (Finished, stub.url, ())
    ] * 3
    assert (len(able.asked), poor.asked) == (3, [])


def test_an_endpoint_that_asked_for_a_rest_carries_nothing_and_shows_it_until_the_rest_is_over() -> None:
    model = declared()
    board = CatalogBoard(model, lambda: NOW)
    one, other = taken(board), taken(board)
    board.give_back(one, failed("busy", retry_after=30.0))
    board.give_back(other, finished())
    for seconds, carries, rests in ((29, 0, True), (30, BEGINS_WITH, False)):
        now = NOW + timedelta(seconds=seconds)
        shown: Any = model_page(model, now)["endpoints"]
        assert (carried_by(model.pk, 2.0, now), shown[0].rests, shown[0].row.failures) == (carries, rests, 0)


# -- pace --------------------------------------------------------------------------------------------------------------
def test_loads_fall_into_classes_of_powers_of_two() -> None:
    assert [class_of(load) for load in (1, 2, 3, 4, 5, 8, 9)] == [1, 2, 4, 4, 8, 8, 16]


@pytest.mark.parametrize(
    ("paces", "reach"),
    [
        ([], BEGINS_WITH),
        ([Pace(4, LEAST, 0.5)], 8),
        ([Pace(4, LEAST, 0.5), Pace(8, LEAST, 0.9)], 16),
        ([Pace(4, LEAST, 0.5), Pace(8, LEAST, 1.1)], 4),
        # proven where more were under way: what happened with few counts no more
        ([Pace(1, LEAST, 5.0), Pace(16, 200, 0.2)], 32),
        ([Pace(1, LEAST, 5.0), Pace(4, LEAST, 0.5), Pace(16, LEAST, 5.0)], 8),
        # a few are enough to go on by, and not to overrule many
        ([Pace(4, FEW - 1, 0.5)], BEGINS_WITH),
        ([Pace(4, FEW, 0.5), Pace(8, FEW, 0.5)], 16),
        ([Pace(1, LEAST, 5.0), Pace(16, LEAST - 1, 0.2)], 1),
        ([Pace(1, LEAST, 1.1)], 1),
        ([Pace(4, LEAST, 0.5), Pace(8, LEAST - 1, 9.0)], 8),
        ([Pace(32, LEAST, 0.5)], 40),
    ],
)
def test_an_endpoint_carries_the_highest_class_that_holds_the_target_and_tries_one_more(
    paces: list[Pace], reach: int
) -> None:
    assert carried(paces, target=1.0, most=40) == reach


def test_a_slow_answer_among_twenty_shuts_no_class_out() -> None:
    assert [p95([0.1] * 19 + [9.0]), p95([0.1] * 18 + [9.0] * 2), p95([9.0])] == [0.1, 9.0, 9.0]


def test_a_class_that_was_shut_out_is_tried_again_when_its_times_are_old() -> None:
    own = own_endpoint(served_model=declared())
    assert own is not None
    FirstToken.objects.bulk_create(
        FirstToken(endpoint=own, load=load, seconds=seconds, at=NOW - timedelta(minutes=age))
        for load, seconds, age in ((4, 0.2, 1), (8, 9.0, 10))
        for _ in range(LEAST)
    )
    later = NOW + timedelta(minutes=6)
    assert paces_of(own, NOW) == [Pace(4, LEAST, 0.2), Pace(8, LEAST, 9.0)]
    assert [carried(paces_of(own, now), 1.0, 64) for now in (NOW, later)] == [4, 8]
    assert (forget_old_times(now=NOW + timedelta(days=1)), FirstToken.objects.count()) == (2 * LEAST, 0)


def test_what_counts_is_how_long_people_waited_from_their_message_on() -> None:
    board = CatalogBoard(declared())
    board.give_back(taken(board), finished(0.1), waited=2.0)
    # who gave up waiting for a first token has waited so long
    board.give_back(taken(board), failed("timeout"), waited=0.0)
    board.give_back(taken(board), None, waited=0.0)
    # for a batch nobody waits
    board.give_back(taken(board), finished(0.1))
    board.give_back(taken(board), failed("busy"), waited=0.0)
    assert list(FirstToken.objects.order_by("pk").values_list("seconds", flat=True)) == [2.1, 3.0]


def test_each_hour_keeps_what_became_of_its_requests() -> None:
    now = NOW
    model = declared()
    board = CatalogBoard(model, lambda: now)
    unsupported = Failed("refused", "x", "", Timings(None, 0.0), {})
    for end in (finished(0.1), finished(0.3), failed("broken"), unsupported, None):
        board.give_back(taken(board), end)
    now += timedelta(hours=1)
    board.give_back(taken(board), failed("timeout"), waited=1.0)
    shown: Any = model_page(model, now)["endpoints"]
    assert [(row.hour, row.ended, row.failed, row.mean_first_token) for row in shown[0].hours] == [
        (NOW + timedelta(hours=1), 1, 1, None), (NOW, 4, 1, 0.2),
    ]  # fmt: skip
    forget_old_times(now=NOW + timedelta(days=14, minutes=1))
    assert list(EndpointHour.objects.values_list("hour", flat=True)) == [NOW + timedelta(hours=1)]


# -- health ------------------------------------------------------------------------------------------------------------
def test_a_model_is_as_well_as_its_best_endpoint_and_changes_are_written_down_once(stub: StubServer) -> None:
    Vllm().at(stub)
    model = declared(backend="openai_compatible", url="http://127.0.0.1:1/v1", endpoints=[stub.url])
    for minute in range(3):
        check_health(served_model=model, now=NOW + timedelta(minutes=minute))
    own, further = sorted(rows(model), key=lambda one: one.url)
    assert (model.health, own.health, further.health) == ("healthy", "unhealthy", "healthy")
    assert model.health_detail.startswith("http://127.0.0.1:1/v1: no connection")
    assert further.capabilities == {"dialect": "vllm", "version": "0.11.0", "context": 4096}
    assert sorted(HealthChange.objects.values_list("health", "at")) == [("healthy", NOW), ("unhealthy", NOW)]
    stub.shut()
    check_health(served_model=model, now=NOW + timedelta(minutes=5))
    assert (model.health, HealthChange.objects.filter(endpoint=further).count()) == ("unhealthy", 2)


def test_one_probe_without_an_answer_makes_nobody_ill_and_the_second_does(stub: StubServer) -> None:
    Vllm().at(stub)
    model = declared(backend="openai_compatible", url=stub.url)
    check_health(served_model=model, now=NOW)
    stub.shut()
    heard = []
    for seconds in (10, 20):
        check_health(served_model=model, now=NOW + timedelta(seconds=seconds))
        [own] = rows(model)
        heard.append((own.health, model.health, model.health_detail[:13], own.health_changes.count()))
    assert heard == [("healthy", "healthy", "", 1), ("unhealthy", "unhealthy", "no connection", 2)]


def test_an_endpoint_that_is_found_well_again_is_tried_at_once_and_one_that_was_well_rests_on(stub: StubServer) -> None:
    Vllm().at(stub)
    model = declared(backend="openai_compatible", url=stub.url)
    rest = NOW + timedelta(minutes=1)
    found = []
    for said, failures in (("unhealthy", OPENS_AFTER), ("unhealthy", 0), ("healthy", OPENS_AFTER)):
        model.endpoints.update_or_create(url="", defaults={"health": said, "failures": failures, "rests_until": rest})
        check_health(served_model=model, now=NOW)
        [own] = rows(model)
        found.append((own.health, own.failures, own.rests_until))
    assert found == [("healthy", OPENS_AFTER, None), ("healthy", 0, rest), ("healthy", OPENS_AFTER, rest)]


def test_an_endpoint_that_answers_that_it_does_not_serve_the_model_is_ill_at_once(stub: StubServer) -> None:
    Vllm().at(stub)
    model = declared(backend="openai_compatible", url=stub.url)
    check_health(served_model=model, now=NOW)
    Vllm(model="another").at(stub)
    check_health(served_model=model, now=NOW + timedelta(seconds=10))
    assert [own.health for own in rows(model)] == ["unhealthy"]


def test_a_model_that_answered_a_moment_ago_is_believed_and_others_are_asked(stub: StubServer) -> None:
    Vllm().at(stub)
    register_models(
        declarations=[
            {"name": "well", "url": stub.url, "served_name": "m"},
            {"name": "ill", "url": "http://127.0.0.1:1/v1"},
            {"name": "off", "url": "http://127.0.0.1:1/v1", "enabled": False},
        ]
    )
    silent = unanswering(names=["well", "ill", "off"], now=NOW)
    assert list(silent) == ["ill"]
    asked = len(stub.exchanges)
    assert list(unanswering(names=["well"], now=NOW + timedelta(seconds=59))) == []
    assert len(stub.exchanges) == asked


def test_a_model_honours_what_all_its_endpoints_honour(stub: StubServer) -> None:
    Vllm().at(stub)
    other = StubServer()
    try:
        Ollama().at(other)
        model = declared(backend="openai_compatible", url=stub.url)
        # of what was never heard of only what all know is expected
        assert ("top_p" in honoured_by(model), "top_k" in honoured_by(model)) == (True, False)
        check_health(served_model=model, now=NOW)
        assert "top_k" in honoured_by(model)
        declared(endpoints=[other.url])
        check_health(served_model=model, now=NOW)
    finally:
        other.close()
    assert ("top_p" in honoured_by(model), "top_k" in honoured_by(model)) == (True, False)


def test_a_trial_is_kept_and_holds_from_then_on(stub: StubServer) -> None:
    class Deaf(Vllm):
        ignores = frozenset({"stop"})

    Deaf().at(stub)
    model = declared(backend="openai_compatible", url=stub.url)
    own = own_endpoint(served_model=model)
    assert own is not None
    examine_endpoint(endpoint=own, now=NOW)
    own.refresh_from_db()
    assert (own.examined_at, own.capabilities["ignored"], own.capabilities["version"]) == (NOW, ["stop"], "0.11.0")
    *_, end = ask(CatalogBoard(model), a_request(stop=("x",)))
    assert isinstance(end, Failed)
    assert (end.kind, end.error) == ("refused", "no endpoint of the model honours stop")
    check_health(served_model=model, now=NOW)
    assert "stop" not in honoured_by(model)


def test_a_health_check_leaves_what_a_trial_found_meanwhile(stub: StubServer, monkeypatch: pytest.MonkeyPatch) -> None:
    Vllm().at(stub)
    model = declared(backend="openai_compatible", url=stub.url)
    own = own_endpoint(served_model=model)
    assert own is not None

    def slow(endpoint: Endpoint, name: str) -> Report:
        examine_endpoint(endpoint=own, now=NOW)
        return probe(endpoint, name)

    monkeypatch.setattr(health, "probe", slow)
    # in this thread, whose transaction the test is in
    monkeypatch.setattr(health, "ThreadPoolExecutor", lambda _: nullcontext(SimpleNamespace(map=map)))
    check_health(served_model=model, now=NOW)
    found = set(own.capabilities)
    own.refresh_from_db()
    assert (set(own.capabilities), own.health, "honours" in found) == (found, "healthy", True)
    # one whose trial was forgotten is shown as untried
    ServedEndpoint.objects.update(capabilities={"dialect": "vllm"})
    shown: Any = model_page(model, NOW)["endpoints"]
    assert [name for name, _ in shown[0].facts] == ["server", "tried"]


def test_an_endpoint_that_is_deleted_while_it_is_asked_keeps_nobody_from_the_others_health(
    stub: StubServer, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    Vllm().at(stub)
    gone = "http://127.0.0.1:1/v1"
    register_models(
        declarations=[{"name": "m", "url": gone}, {"name": "n", "url": stub.url, "served_name": "m"}],
    )

    def deleting(endpoint: Endpoint, name: str) -> Report:
        ServedEndpoint.objects.filter(served_model__url=gone).delete()
        return probe(endpoint, name)

    monkeypatch.setattr(health, "probe", deleting)
    monkeypatch.setattr(health, "ThreadPoolExecutor", lambda _: nullcontext(SimpleNamespace(map=map)))
    check_all_health(now=NOW)
    assert [(one.name, one.health) for one in ServedModel.objects.all()] == [("m", "unhealthy"), ("n", "healthy")]
    assert [record.getMessage() for record in caplog.records] == [f"the health of {gone} could not be stored"]


def test_an_answers_revision_tells_of_the_endpoint_that_gave_it(stub: StubServer) -> None:
    Vllm().at(stub)
    there = {"url": stub.url, "served_name": "org/m", "options": {"extra_body": {"min_p": 0.1}}, "dialect": "vllm"}
    model = declared(backend="openai_compatible", url="http://127.0.0.1:1/v1", endpoints=[there])
    *_, end = ask(CatalogBoard(model), a_request(max_tokens=3))
    assert isinstance(end, Finished)
    facts = record_revision(served_model=model, finished=end).facts
    assert (facts["url"], facts["asked_as"], facts["options"]) == (stub.url, "org/m", {"extra_body": {"min_p": 0.1}})


# -- the page and the command ------------------------------------------------------------------------------------------
@pytest.fixture
def staff() -> Client:
    client = Client()
    client.force_login(get_user_model().objects.create_superuser("root", "root@example.org", "pw"))
    return client


def done(staff: Client, model: ServedModel, do: str) -> list[str]:
    address = reverse("admin:catalog_servedmodel_standing", args=[model.pk])
    page = staff.post(address, {"do": do}, follow=True)
    return [str(message) for message in page.context["messages"]]


def test_the_page_of_a_model_greets_tries_and_switches_each_endpoint(staff: Client, stub: StubServer) -> None:
    Vllm().at(stub)
    model = declared(backend="openai_compatible", url=stub.url)
    own = own_endpoint(served_model=model)
    assert own is not None
    assert done(staff, model, "check") == ["m: healthy"]
    assert done(staff, model, f"hello:{own.pk}")[0].startswith(f"{stub.url} says: ")
    assert done(staff, model, f"examine:{own.pk}")[0].startswith(f"{stub.url} is being tried. It takes some minutes")
    assert done(staff, model, f"examine:{own.pk}") == [f"{stub.url} is being tried. It was begun before."]
    tasks.try_endpoint(own.pk)
    assert done(staff, model, f"drain:{own.pk}") == [f"{stub.url}: draining."]
    own.refresh_from_db()
    assert own.state == "draining"
    assert done(staff, model, f"on:{own.pk}") == [f"{stub.url}: on."]
    assert done(staff, model, "hello:999") == ["There is no such endpoint any more."]
    FirstToken.objects.create(endpoint=own, load=3, seconds=0.25, at=timezone.now())
    page = staff.get(reverse("admin:catalog_servedmodel_standing", args=[model.pk])).content.decode()
    assert "vllm 0.11.0" in page
    assert "<dt>honours</dt><dd>frequency_penalty, max_tokens" in page
    assert "0.25 s" in page
    assert "0 of 64" in page


def test_older_changes_of_health_stand_on_further_pages(staff: Client) -> None:
    own = own_endpoint(served_model=(model := declared()))
    HealthChange.objects.bulk_create(
        HealthChange(endpoint=own, health="unhealthy", detail=f"change {number}.", at=NOW + timedelta(minutes=number))
        for number in range(45)
    )
    address = reverse("admin:catalog_servedmodel_standing", args=[model.pk])
    pages = [staff.get(address, {"page": page}).content.decode() for page in ("1", "3", "x")]
    assert [[number for number in range(45) if f"change {number}." in page] for page in pages] == [
        list(range(25, 45)), list(range(5)), list(range(25, 45)),
    ]  # fmt: skip
    assert ['rel="next"' in page for page in pages] == [True, False, True]


def test_a_model_made_in_the_admin_gets_its_endpoints_there(staff: Client) -> None:
    form = {
        "name": "x", "backend": "scripted", "options": "{}", "card": "{}", "supported_parameters": "null",
        "price_input": "0.5", "price_currency": "EUR", "first_token_limit": "30", "between_tokens_limit": "15",
        "endpoints-TOTAL_FORMS": "1", "endpoints-INITIAL_FORMS": "0",
        "endpoints-0-url": "http://gpu:8000/v1", "endpoints-0-backend": "openai_compatible",
        "endpoints-0-most_at_once": "8",
    }  # fmt: skip
    wrong = staff.post(reverse("admin:catalog_servedmodel_add"), form | {"endpoints-0-dialect": "latin"})
    assert wrong.status_code == 200
    staff.post(reverse("admin:catalog_servedmodel_add"), form)
    made = ServedModel.objects.get(name="x")
    assert sorted(made.endpoints.values_list("url", "most_at_once")) == [("", 64), ("http://gpu:8000/v1", 8)]
    assert "0.5 / ? EUR" in staff.get(reverse("admin:catalog_servedmodel_changelist")).content.decode()


def test_the_command_tries_what_a_model_can(stub: StubServer, capsys: pytest.CaptureFixture[str]) -> None:
    Ollama().at(stub)
    declared(backend="openai_compatible", url=stub.url)
    call_command("models", "examine", "m")
    assert capsys.readouterr().out == (
        f"{stub.url}\tollama 0.12.3\thonours frequency_penalty, max_tokens, presence_penalty, seed, stop, temperature, "
        "top_p\n"
    )
