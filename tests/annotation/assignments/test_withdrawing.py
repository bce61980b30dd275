"""Places of people who withdraw: others judge in their stead, and never one more than the overlap says."""

from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from threading import Barrier

import pytest
from django.db import connection
from django.utils import timezone

from annotation.assignments.models import Assignment
from annotation.assignments.services import expire_overdue, reopen_withdrawn
from annotation.common.errors import ConflictError
from annotation.judgements.models import Judgement
from annotation.participation.models import Participation
from annotation.participation.services import withdraw
from tests.factories import comparisons

NOW = timezone.now()


def left(person: Participation) -> None:
    withdraw(participation=person, reason="person", actor="person", now=NOW)


def that_count() -> Counter[int]:
    """Item → judgements of people who are still in."""
    rows = Judgement.objects.exclude(participation__state=Participation.State.WITHDRAWN)
    return Counter(rows.values_list("assignment__item__ordinal", flat=True))


@pytest.mark.django_db
def test_what_somebody_judged_or_held_who_withdrew_is_judged_by_somebody_else() -> None:
    study = comparisons.comparing(3, step={"overlap": 1})
    first, second = comparisons.person(study), comparisons.person(study)
    comparisons.judge_all(first, most=2)
    assert comparisons.leased(first) is not None
    left(first)
    assert (reopen_withdrawn(now=NOW), reopen_withdrawn(now=NOW)) == (3, 0)
    comparisons.open_all(study)
    assert len(comparisons.judge_all(second)) == 3
    assert that_count() == {0: 1, 1: 1, 2: 1}
    assert Counter(Assignment.objects.values_list("state", flat=True)) == {"withdrawn": 3, "done": 3}
    # nothing that they had judged is gone, and nothing is opened by the sweep of leases
    assert (Judgement.objects.filter(participation=first).count(), expire_overdue(now=NOW)) == (2, 0)


@pytest.mark.django_db(transaction=True)
def test_withdrawing_while_others_judge_and_sweeps_run_leaves_every_item_its_judgements() -> None:
    study = comparisons.comparing(4, step={"overlap": 2})
    people = [comparisons.person(study) for _ in range(4)]
    comparisons.judge_all(people[0])
    together = Barrier(6)

    def judge(person: Participation) -> None:
        try:
            comparisons.judge_all(person)
        except ConflictError:
            # they withdrew with a card before them
            assert person == people[1]

    def one(number: int) -> None:
        try:
            together.wait()
            if number < 3:
                judge(people[number + 1])
            elif number == 3:
                left(people[0])
                left(people[1])
            reopen_withdrawn(now=NOW)
        finally:
            connection.close()

    with ThreadPoolExecutor(6) as pool:
        list(pool.map(one, range(6)))
    reopen_withdrawn(now=NOW)
    for person in people[2:]:
        comparisons.judge_all(person)
    assert that_count() == dict.fromkeys(range(4), 2)
    assert Assignment.objects.filter(state__in=["open", "leased"]).count() == 0
