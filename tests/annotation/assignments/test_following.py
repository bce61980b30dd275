"""What follows from a judgement: more people where the planned ones disagree."""

from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from threading import Barrier
from typing import Any

import pytest
from django.db import connection
from django.utils import timezone

from annotation.assignments.models import Assignment
from annotation.assignments.outcomes import divided, win_of_first
from annotation.assignments.queries import places_filled
from annotation.assignments.services import follow_judgement
from annotation.judgements.services import change_judgement
from annotation.studies.models import Study
from tests.factories import comparisons

RULE = {"question": "agree", "threshold": 3, "extra": 2}


def divided_study(**step: Any) -> Study:
    return comparisons.comparing(1, step={"protocol": "alike", "overlap": 2, "disagreement": RULE} | step)


def say(study: Study, *values: int) -> list[Assignment]:
    """As many people judge the item, one after the other."""
    places = []
    for value in values:
        place = comparisons.leased(comparisons.person(study))
        assert place is not None
        comparisons.judged(place, [value])
        places.append(place)
    return places


@pytest.mark.django_db
@pytest.mark.parametrize(("values", "more"), [((2, 5), 0), ((2, 6), 2), ((9, 0), 2)])
def test_more_people_are_asked_where_the_planned_ones_disagree(values: tuple[int, int], more: int) -> None:
    study = divided_study()
    say(study, values[0])
    assert Assignment.objects.filter(reason="disagreement").count() == 0
    say(study, values[1])
    assert Assignment.objects.filter(reason="disagreement", state="open").count() == more


@pytest.mark.django_db
def test_extra_places_come_once_and_their_answers_bring_no_more() -> None:
    study = divided_study()
    last = say(study, 0, 10)[-1]
    follow_judgement(place=last, now=timezone.now())
    assert [place.reason for place in say(study, 0, 10)] == ["disagreement"] * 2
    assert places_filled(study.pk, "judge") == {("", "done"): 4}
    comparisons.open_all(study)
    assert Assignment.objects.count() == 4


@pytest.mark.django_db
def test_extra_places_are_leased_before_planned_ones() -> None:
    study = divided_study(overlap={"crowd": 2, "expert": 1}, select="ordered")
    comparisons.add_items(study, 2, first=1)
    comparisons.open_all(study)
    say(study, 0, 10)
    place = comparisons.leased(comparisons.person(study))
    assert place is not None
    assert (place.reason, place.item.ordinal, place.stratum) == ("disagreement", 0, "crowd")
    assert Counter(Assignment.objects.filter(reason="disagreement").values_list("stratum", flat=True)) == {"crowd": 2}


@pytest.mark.django_db
def test_a_changed_answer_brings_extra_places_and_takes_away_those_that_nobody_has() -> None:
    study = divided_study(undo=60)
    last, opened = say(study, 2, 2)[-1], []
    for number, value in enumerate((9, 3, 9)):
        change_judgement(
            assignment_id=last.pk,
            participation=last.participation,
            key=f"change-{number}",
            fields={"agree": [str(value)]},
            timings={},
            now=timezone.now(),
        )
        opened.append(Assignment.objects.filter(reason="disagreement", state="open").count())
    assert opened == [2, 0, 2]


@pytest.mark.django_db(transaction=True)
def test_the_last_two_to_answer_at_the_same_moment_open_the_extra_places_once() -> None:
    study = divided_study(overlap=4)
    places = [comparisons.leased(comparisons.person(study)) for _ in range(4)]
    together = Barrier(4)

    def answer(number: int) -> None:
        try:
            together.wait()
            place = places[number]
            assert place is not None
            comparisons.judged(place, [10 * (number % 2)])
        finally:
            connection.close()

    with ThreadPoolExecutor(4) as pool:
        list(pool.map(answer, range(4)))
    states = Counter(Assignment.objects.values_list("reason", "state"))
    assert states == {("planned", "done"): 4, ("disagreement", "open"): 2}


def about_item(value: Any) -> dict[str, Any]:
    return {"q": {"": {"value": value, "missing": ""}}}


@pytest.mark.parametrize(
    ("values", "threshold", "expected"),
    [
        ([1, 3], 2, False),
        ([1, 4], 2, True),
        (["a", "a"], 9, False),
        (["a", "tie"], 9, True),
        ([{"toward": "a", "strength": 2}, {"toward": "b", "strength": 1}], 2, True),
        ([{"toward": "a", "strength": 2}, {"toward": None, "strength": 0}], 2, False),
        ([{"toward": "a", "strength": 1}, "both_bad"], 9, True),
        ([{"ranks": {"a": 1, "b": 2}}, {"ranks": {"b": 2, "a": 1}}], 0, False),
        ([["a"], ["a", "b"]], 0, True),
    ],
)
def test_numbers_disagree_by_their_distance_and_other_answers_by_not_being_equal(
    values: list[Any], threshold: float, expected: bool
) -> None:
    assert divided([about_item(value) for value in values], "q", threshold, ["a", "b"]) == expected


def test_disagreement_about_one_candidate_is_disagreement() -> None:
    people = [{"q": {"a": {"value": 1, "missing": ""}, "b": {"value": value, "missing": ""}}} for value in (1, 9)]
    assert (divided(people, "q", 7, ["a", "b"]), divided(people, "q", 8, ["a", "b"])) == (True, False)
    nothing = {"q": {"b": {"value": None, "missing": "unanswered"}}}
    assert divided([people[0], nothing], "q", 0, ["a", "b"]) is False


@pytest.mark.parametrize(
    ("value", "won"),
    [
        ("a", 1.0),
        ("b", 0.0),
        ("c", None),
        ("tie", 0.5),
        ("both_bad", None),
        ({"toward": "b", "strength": 3}, 0.0),
        ({"toward": None, "strength": 0}, 0.5),
        ({"ranks": {"a": 1, "b": 3}}, 1.0),
        ({"ranks": {"a": 2, "b": 2}}, 0.5),
        ({"ranks": {"a": 2}}, None),
        ({"best": "a", "worst": "c"}, 1.0),
        ({"best": "c", "worst": "a"}, 0.0),
        ({"best": "c", "worst": "d"}, None),
        (["a", "c"], 1.0),
        (["a", "b"], None),
        ({"a": 10, "b": 20}, 0.0),
        (None, None),
    ],
)
def test_every_shape_of_answer_says_who_won_or_that_it_does_not_say(value: Any, won: float | None) -> None:
    assert win_of_first(about_item(value), "q", "a", "b") == won
    mirrored = None if won is None else 1 - won
    assert win_of_first(about_item(value), "", "b", "a") == mirrored


def test_scores_of_each_candidate_are_compared() -> None:
    scores = {"q": {"a": {"value": 3}, "b": {"value": 2}, "c": {"value": None}}}
    assert [win_of_first(scores, "q", *pair) for pair in (("a", "b"), ("b", "a"), ("a", "c"))] == [1.0, 0.0, None]
