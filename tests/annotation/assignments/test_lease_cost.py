"""What a lease costs: a fixed number of statements, and one walk along an index."""

from datetime import timedelta

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from annotation.assignments.models import Assignment
from annotation.participation.models import Participation
from tests.factories import comparisons

pytestmark = pytest.mark.django_db
ADMIN = ("SAVEPOINT", "RELEASE", "BEGIN", "COMMIT")


def statements(person: Participation) -> list[str]:
    """What leasing the next place asks of the database."""
    with CaptureQueriesContext(
        connection,
    ) as captured:
        assert comparisons.leased(person) is not None
    return [query["sql"] for query in captured.captured_queries if not query["sql"].startswith(ADMIN)]


def test_the_number_of_statements_does_not_grow_with_the_study() -> None:
    counts = []
    for items in (2, 40):
        study = comparisons.comparing(items, study=f"with-{items}", step={"overlap": {"crowd": 2, "expert": 1}})
        counts.append(len(statements(comparisons.person(study, pool="expert"))))
    # lock, tally, claim, its update, candidates, showing
    assert counts == [6, 6]


def test_a_second_look_costs_the_same_however_many_items_others_have_taken() -> None:
    counts = []
    for items in (10, 30):
        study = comparisons.comparing(
            items, study=f"with-{items}", step={"protocol": ["rate", "alike"], "overlap": 1, "select": "ordered"}
        )
        first, second = comparisons.person(study), comparisons.person(study)
        # one has judged all under one protocol; the other has taken all but one under the other one
        rate, alike = (Assignment.objects.filter(study=study, protocol=name) for name in ("rate", "alike"))
        for place in rate.select_related("item"):
            at = timezone.now() + timedelta(seconds=place.item.ordinal)
            rate.filter(pk=place.pk).update(state="done", participation=first, leased_at=at)
        alike.filter(item__ordinal__lt=items - 1).update(state="done", participation=second, leased_at=timezone.now())
        counts.append(len(statements(first)))
    assert counts[0] == counts[1]


def test_the_next_place_is_found_along_the_index_of_open_places() -> None:
    study = comparisons.comparing(400, step={"overlap": 3})
    done = Assignment.objects.order_by("key").values("pk")[:300]
    Assignment.objects.filter(pk__in=list(done.values_list("pk", flat=True))).update(state="done")
    with connection.cursor() as cursor:
        cursor.execute("ANALYZE")
        claim = next(sql for sql in statements(comparisons.person(study)) if "ORDER BY" in sql and "LIMIT 1" in sql)
        cursor.execute(("EXPLAIN QUERY PLAN " if connection.vendor == "sqlite" else "EXPLAIN ") + claim)
        plan = "\n".join(str(row[-1]) for row in cursor.fetchall())
    sorts = [word for word in ("sort", "temp b-tree") if word in plan.lower()]
    assert ("open_places_in_order" in plan, sorts) == (True, []), plan
