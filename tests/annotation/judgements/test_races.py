"""One person in two tabs, two people on one place: real threads on a real database, each with its own connection."""

import threading
from collections import Counter
from collections.abc import Callable, Sequence
from datetime import timedelta
from functools import partial
from typing import Any

import pytest
from django.db import connections
from django.utils import timezone

from annotation.assignments.models import Assignment
from annotation.assignments.services import ask_again, expire_overdue, lease_ahead, skip_place
from annotation.judgements.models import Judgement
from annotation.judgements.services import change_judgement, finish_comparisons, submit_judgement
from annotation.participation.models import Participation
from annotation.studies.models import Study
from tests.annotation.assignments.test_regrading import republish
from tests.factories import comparisons

pytestmark = pytest.mark.django_db(transaction=True)
NOW = timezone.now()
LATER = NOW + timedelta(minutes=31)
# a race that is lost once in a few times is found
TIMES = 4
Act = Callable[[], Any]


def at_once(*acts: Act) -> list[str]:
    """What each of them got, all let go at the same moment: the kind of what came back, or of the error."""
    gate = threading.Barrier(len(acts))
    got = [""] * len(acts)

    def run(number: int) -> None:
        gate.wait()
        try:
            got[number] = type(acts[number]()).__name__
        except Exception as error:  # noqa: BLE001 - it is what the thread got
            got[number] = type(error).__name__
        finally:
            connections.close_all()

    threads = [threading.Thread(target=run, args=(number,)) for number in range(len(acts))]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(timeout=60)
    return got


def lease(person: Participation, at: Any = NOW) -> Assignment:
    place = comparisons.leased(person, at)
    assert place is not None
    return place


def submit(place: Assignment, key: str, at: Any = NOW, values: Sequence[int] = (10, 20)) -> Act:
    assert place.participation is not None
    sent = {"assignment_id": place.pk, "participation": place.participation, "timings": {}, "now": at}
    return partial(submit_judgement, key=key, fields=comparisons.fields_of(place, values), **sent)


def places(**of: Any) -> Counter[str]:
    return Counter(Assignment.objects.filter(**of).values_list("state", flat=True))


def test_one_key_for_two_places_at_once_is_one_judgement_and_one_refusal() -> None:
    study = comparisons.comparing(2 * TIMES, step={"overlap": 1})
    person = comparisons.person(study)
    for number in range(TIMES):
        shown = lease(person)
        ahead = lease_ahead(participation=person, step=comparisons.step_of(study), now=NOW)
        assert ahead is not None
        assert sorted(at_once(*(submit(place, f"key-{number}") for place in (shown, ahead)))) == [
            "ConflictError", "Submission",
        ]  # fmt: skip
        at_once(*(submit(place, f"other-{number}-{place.pk}") for place in (shown, ahead)))
    assert Judgement.objects.count() == 2 * TIMES


def test_a_skip_and_an_answer_at_once_are_one_of_the_two() -> None:
    study = comparisons.comparing(TIMES, step={"overlap": 1, "skip": {}})
    person, step = comparisons.person(study), comparisons.step_of(study)
    for number in range(TIMES):
        place = lease(person)
        skip = partial(skip_place, assignment_id=place.pk, participation=person, step=step, reason="", now=NOW)
        got = at_once(submit(place, f"key-{number}"), skip)
        assert got in (["Submission", "ConflictError"], ["ConflictError", "NoneType"])
    states = places()
    assert (states["skipped"], states["skipped"] + states["done"]) == (states["open"], TIMES)
    assert Judgement.objects.count() == states["done"]


def test_a_late_answer_and_another_person_never_have_one_place_both() -> None:
    study = comparisons.comparing(TIMES, step={"overlap": 1})
    late = [lease(comparisons.person(study)) for _ in range(TIMES)]
    expire_overdue(now=LATER)
    others = [comparisons.person(study) for _ in range(TIMES)]
    acts = [submit(place, "key", LATER) for place in late]
    acts += [partial(comparisons.leased, person, LATER) for person in others]
    got = Counter(at_once(*acts))
    for place in Assignment.objects.filter(state="leased").select_related("participation"):
        comparisons.judged(place, now=LATER)
    assert set(got) <= {"Submission", "TakenError", "Assignment", "NoneType"}
    assert got["Submission"] + got["Assignment"] <= TIMES
    assert max(Counter(Judgement.objects.values_list("assignment__item", flat=True)).values()) == 1
    assert Assignment.objects.filter(credited=True).count() == got["TakenError"]


def test_a_late_answer_and_a_new_lease_of_one_person_are_not_two_places_with_one_item() -> None:
    study = comparisons.comparing(1, step={"overlap": TIMES})
    people = [comparisons.person(study) for _ in range(TIMES)]
    late = [lease(person) for person in people]
    expire_overdue(now=LATER)
    acts = [act for place, person in zip(late, people, strict=True) for act in (
        submit(place, "key", LATER), partial(comparisons.leased, person, LATER),
    )]  # fmt: skip
    got = at_once(*acts)
    assert set(got) <= {"Submission", "TakenError", "Assignment", "NoneType"}
    mine = Assignment.objects.exclude(participation=None).exclude(state="expired")
    assert set(Counter(mine.values_list("participation", flat=True)).values()) <= {1}
    assert sum(places(state__in=["open", "leased", "done"]).values()) == TIMES


def test_two_late_answers_at_once_bring_nobody_over_the_maximum() -> None:
    study = comparisons.comparing(4, step={"overlap": 1, "per_person": {"min": 2, "max": 2}})
    person, step = comparisons.person(study), comparisons.step_of(study)
    first = [lease(person), lease_ahead(participation=person, step=step, now=NOW)]
    for place in first:
        assert place is not None
        Assignment.objects.filter(pk=place.pk).update(ahead=False)
    expire_overdue(now=LATER)
    comparisons.judged(lease(person, LATER), now=LATER)
    got = at_once(*(submit(place, str(place.pk), LATER) for place in first if place))
    assert sorted(got) == ["Submission", "TakenError"]
    assert places(participation=person) == {"done": 2, "expired": 1}


def test_the_sweep_and_a_late_answer_at_once_leave_one_judgement_or_one_open_place() -> None:
    study = comparisons.comparing(TIMES, step={"overlap": 1})
    late = [lease(comparisons.person(study)) for _ in range(TIMES)]
    acts = [submit(place, "key", LATER) for place in late]
    got = at_once(*acts, partial(expire_overdue, now=LATER))
    assert got == ["Submission"] * TIMES + ["int"]
    assert places() == {"done": TIMES}


def test_corrections_from_two_tabs_are_a_chain_with_one_end() -> None:
    study = comparisons.comparing(1, step={"undo": 60})
    person = comparisons.person(study)
    place = lease(person)
    submit(place, "first")()
    change = partial(change_judgement, assignment_id=place.pk, participation=person, timings={}, now=NOW)
    acts = [partial(change, key=f"key-{n}", fields=comparisons.fields_of(place, (n, 50))) for n in range(TIMES)]
    assert at_once(*acts) == ["Submission"] * TIMES
    chain = Judgement.objects.filter(assignment=place)
    assert (chain.count(), chain.filter(replaced_by=None).count(), chain.filter(replaces=None).count()) == (
        TIMES + 1, 1, 1,
    )  # fmt: skip


def test_ending_the_step_and_answering_at_once_lose_no_receipt() -> None:
    study = comparisons.comparing(TIMES + 1, step={"overlap": 1, "per_person": {"min": 0}})
    step, got = comparisons.step_of(study), Counter[str]()
    for number in range(TIMES):
        person = comparisons.person(study)
        end = partial(finish_comparisons, participation=person, step=step, now=NOW)
        got.update(at_once(submit(lease(person), f"key-{number}"), end))
    stored = Judgement.objects.count()
    # an answer that came after the end finds its place free, and is kept all the same
    assert (got, stored, places()["done"]) == ({"Submission": TIMES, "NoneType": TIMES}, TIMES, TIMES)


def asked(study: Study) -> Act:
    return partial(ask_again, study=study, step=comparisons.step_of(study), actor="ada", now=NOW)


def test_asking_again_twice_at_once_keeps_one_place_per_item_and_person() -> None:
    both = {"protocol": ["rate", "alike"], "overlap": 1}
    study = comparisons.comparing(3, step=both)
    comparisons.judge_all(comparisons.person(study))
    republish(study, "agree", step=both)
    assert at_once(asked(study), asked(study)) == ["int", "int"]
    assert Assignment.objects.filter(reason="regrade").count() == 3
