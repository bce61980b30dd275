"""Seats of quota cells: never more people than the target, and seats of those who leave are given back."""

import uuid
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from threading import Barrier
from typing import Any

import pytest
from django.db import connections
from django.utils import timezone

from annotation.participation import services
from annotation.participation.models import Participation, QuotaCell
from annotation.participation.services.places import take_seat
from annotation.studies.models import Study
from tests.factories.participations import browser, participation
from tests.factories.studies import small, study

pytestmark = pytest.mark.django_db


def with_seats(**cells: int) -> Study:
    document = small(quotas=[{"name": "side", "by": "side", "cells": cells}])
    choice = {
        "kind": "single_choice",
        "text": "Which side?",
        "choices": ["left", "right", "middle"],
        "prefer_not": True,
    }
    document["questions"]["side"] = choice
    document["steps"][1]["pages"] = [["side"], ["about"]]
    return study(document)


def answer(person: Participation, **fields: str) -> str:
    """Send the page that asks for the side; where it leads to."""
    fields = {"key": uuid.uuid4().hex} | fields
    response = browser(person).post(f"/p/{person.pk}/questions/survey/1/", fields)
    return str(response.headers["Location"]).split("/", 3)[3]


def taken() -> dict[str, int]:
    return dict(QuotaCell.objects.values_list("cell", "taken"))


def test_a_seat_is_taken_when_the_page_that_asks_is_sent() -> None:
    person = participation(with_seats(left=2, right=1), step=1)
    assert (answer(person, side="left"), taken()) == ("questions/survey/2/", {"left": 1, "right": 0})


def test_when_a_cell_is_full_the_next_person_is_told_and_gets_the_code() -> None:
    made = with_seats(left=1)
    people = [participation(made, step=1) for _ in range(2)]
    assert [answer(person, side="left") for person in people] == ["questions/survey/2/", "end/"]
    html = browser(people[1]).get(f"/p/{people[1].pk}/end/").content.decode()
    assert (taken(), 'data-end="full"' in html, "C-FULL" in html) == ({"left": 1}, True, True)


@pytest.mark.parametrize("fields", [{"side": "middle"}, {"side-pnts": "on"}])
def test_an_answer_that_no_cell_is_about_takes_no_seat(fields: dict[str, str]) -> None:
    person = participation(with_seats(left=0, right=0), step=1)
    assert (answer(person, **fields), taken()) == ("questions/survey/2/", {"left": 0, "right": 0})


def test_a_changed_answer_changes_the_seat() -> None:
    person = participation(with_seats(left=1, right=1), step=1)
    for side in ("left", "left", "right"):
        answer(person, side=side)
    person.refresh_from_db()
    assert (taken(), person.quota_cells) == ({"left": 0, "right": 1}, [{"quota": "side", "cell": "right"}])


def test_the_same_page_sent_twice_takes_one_seat() -> None:
    person = participation(with_seats(left=2), step=1)
    for _ in range(2):
        answer(person, side="left", key="k" * 32)
    assert taken() == {"left": 1}


def test_bots_take_no_seat_from_anybody() -> None:
    person = participation(with_seats(left=1), step=1, rehearsal=True)
    assert (answer(person, side="left"), taken()) == ("questions/survey/2/", {})


@pytest.mark.parametrize("way", ["decline/", "withdraw/"])
def test_who_leaves_gives_the_seat_back(way: str) -> None:
    person = participation(with_seats(left=1), step=1)
    answer(person, side="left")
    browser(person).post(f"/p/{person.pk}/{way}")
    assert taken() == {"left": 0}


def test_who_has_completed_keeps_the_seat_after_withdrawing() -> None:
    person = participation(with_seats(left=1), step=1)
    answer(person, side="left")
    services.complete_step(participation=person, step="survey", now=timezone.now())
    services.withdraw(participation=person, reason="person", actor="x", now=timezone.now())
    assert taken() == {"left": 1}


def away(hours: int) -> Participation:
    person = participation(with_seats(left=1), step=1)
    answer(person, side="left")
    Participation.objects.update(last_seen_at=timezone.now() - timedelta(hours=hours))
    return person


@pytest.mark.parametrize(("hours", "state", "seats"), [(23, "active", 1), (25, "timed_out", 0)])
def test_the_seat_of_somebody_who_is_away_too_long_is_given_back(hours: int, state: str, seats: int) -> None:
    away(hours)
    services.release_stale_seats(now=timezone.now())
    assert (Participation.objects.get().state, taken()) == (state, {"left": seats})


def test_somebody_without_a_seat_may_stay_away_for_ever() -> None:
    participation(study(), step=1)
    Participation.objects.update(last_seen_at=timezone.now() - timedelta(days=300))
    assert (services.release_stale_seats(now=timezone.now()), Participation.objects.get().state) == (0, "active")


@pytest.mark.parametrize(("others", "state", "place"), [(0, "active", "questions/survey/2/"), (1, "full", "end/")])
def test_who_was_timed_out_goes_on_if_there_is_a_place(others: int, state: str, place: str) -> None:
    person = away(25)
    services.release_stale_seats(now=timezone.now())
    for _ in range(others):
        answer(participation(person.study, step=1), side="left")
    response = browser(person).post(f"/p/{person.pk}/reopen/")
    person.refresh_from_db()
    assert (person.state, response.headers["Location"]) == (state, f"/p/{person.pk}/{place}")
    assert taken() == {"left": 1}


def test_a_lowered_target_holds_for_everybody_and_never_lies_below_those_who_are_in() -> None:
    made = with_seats(left=3)
    from_before = participation(made, step=1)
    for _ in range(2):
        answer(participation(made, step=1), side="left")
    lowered = small(study="lowered", quotas=[{"name": "side", "by": "side", "cells": {"left": 1}}])
    lowered["questions"] = made.current.document["questions"]  # type: ignore[union-attr]  # the study was published
    lowered["steps"] = [lowered["steps"][0], {"questionnaire": "survey", "pages": [["side"], ["about"]]}]
    made.current = study(lowered).current
    made.save()
    for person in (participation(made, step=1), Participation.objects.get(pk=from_before.pk)):
        assert answer(person, side="left") == "end/"
    assert list(QuotaCell.objects.filter(study=made).values_list("target", "taken")) == [(2, 2)]


def test_the_rows_own_count_decides_not_one_that_was_read_before() -> None:
    made = with_seats(left=1)
    first, second = participation(made, step=1), participation(made, step=1)
    answer(first, side="left")
    assert (take_seat(second, "side", "left"), taken()) == (False, {"left": 1})


@pytest.mark.django_db(transaction=True)
def test_thirty_people_at_once_take_no_more_seats_than_there_are() -> None:
    made = with_seats(left=5)
    people = [participation(made, step=1) for _ in range(30)]
    places = at_once(lambda person: answer(person, side="left"), people)
    assert (sorted(places).count("questions/survey/2/"), sorted(places).count("end/"), taken()) == (5, 25, {"left": 5})


@pytest.mark.django_db(transaction=True)
def test_ten_requests_with_one_panel_id_at_once_are_one_participation() -> None:
    study()
    fields = [{"key": uuid.uuid4().hex, "PROLIFIC_PID": "anna"} for _ in range(10)]
    places = at_once(lambda one: browser().post("/s/small/start/", one).headers["Location"], fields)
    assert (len(set(places)), Participation.objects.count()) == (1, 1)


@pytest.mark.django_db(transaction=True)
def test_ten_people_who_start_at_once_have_ten_ordinals() -> None:
    study()
    at_once(lambda key: browser().post("/s/small/start/", {"key": key}), [uuid.uuid4().hex for _ in range(10)])
    assert sorted(Participation.objects.values_list("ordinal", flat=True)) == list(range(10))


@pytest.mark.django_db(transaction=True)
def test_ten_submits_of_one_page_at_once_are_one_set_of_rows() -> None:
    person = participation(with_seats(left=5), step=1)
    places = at_once(lambda _: answer(person, side="left", key="k" * 32), list(range(10)))
    assert (set(places), person.profile.count(), person.page_visits.count(), taken()) == (
        {"questions/survey/2/"}, 1, 1, {"left": 1},
    )  # fmt: skip


def at_once(call: Any, values: list[Any]) -> list[Any]:
    """Call it in as many threads at the same time, each with connections of its own."""

    together = Barrier(len(values))

    def one(value: Any) -> Any:
        together.wait()
        try:
            return call(value)
        finally:
            connections.close_all()

    with ThreadPoolExecutor(len(values)) as pool:
        return list(pool.map(one, values))


@pytest.mark.parametrize(
    ("side", "place", "state"), [("right", "end/", "screened_out"), ("left", "questions/survey/2/", "active")]
)
def test_whom_the_study_is_not_for_is_screened_out_with_the_code_and_takes_no_seat(
    side: str, place: str, state: str
) -> None:
    document = small(quotas=[{"name": "side", "by": "side", "cells": {"left": 1, "right": 1}}])
    document["questions"]["side"] = {"kind": "single_choice", "text": "Which side?", "choices": ["left", "right"]}
    document["steps"][1] |= {"pages": [["side"], ["about"]], "screen_out": {"side": "right"}}
    person = participation(study(document), step=1)
    went = answer(person, side=side)
    person.refresh_from_db()
    html = browser(person).get(f"/p/{person.pk}/", follow=True).content.decode()
    assert (went, person.state, taken().get("right", 0)) == (place, state, 0)
    assert ("C-OUT" in html) == (state == "screened_out")
