"""Making places: as many as the overlap says, once, in the order that the policy gives."""

from collections import Counter
from datetime import timedelta
from typing import Any

import pytest
from django.utils import timezone

from annotation.assignments.models import Assignment
from annotation.assignments.services import expire_overdue, open_places
from annotation.assignments.showable import count_not_showable
from annotation.items.models import Candidate, Item
from annotation.studies.document import StudyDocument
from annotation.studies.models import Study, StudyVersion
from tests.factories import comparisons

pytestmark = pytest.mark.django_db


def republish(study: Study, **changes: Any) -> None:
    parsed = StudyDocument.model_validate(comparisons.document(**changes))
    assert study.current is not None
    study.current = StudyVersion.objects.create(
        study=study,
        number=study.current.number + 1,
        document=parsed.canonical(),
        sha256=parsed.sha256(),
        published_at=timezone.now(),
    )
    study.save()


def spots() -> Counter[tuple[str, str, int]]:
    """How many items have a place with that protocol, stratum and copy."""
    return Counter(Assignment.objects.values_list("protocol", "stratum", "copy"))


def test_every_item_gets_as_many_places_as_the_overlap_says() -> None:
    study = comparisons.comparing(3, step={"overlap": 2, "protocol": ["rate", "alike"]})
    assert spots() == {("rate", "", 0): 3, ("rate", "", 1): 3, ("alike", "", 0): 3, ("alike", "", 1): 3}
    assert {place.version for place in Assignment.objects.all()} == {study.current}


def test_every_stratum_gets_its_own_number() -> None:
    comparisons.comparing(3, step={"overlap": {"crowd": 2, "expert": 1}})
    assert spots() == {("rate", "crowd", 0): 3, ("rate", "crowd", 1): 3, ("rate", "expert", 0): 3}


def test_a_second_run_adds_only_what_came_since() -> None:
    study = comparisons.comparing(3)
    before = set(Assignment.objects.values_list("pk", flat=True))
    assert (comparisons.open_all(study), set(Assignment.objects.values_list("pk", flat=True))) == (0, before)
    comparisons.add_items(study, 2, first=3)
    assert comparisons.open_all(study) == 4
    assert before < set(Assignment.objects.values_list("pk", flat=True))
    assert Assignment.objects.count() == 10


def test_a_larger_overlap_adds_copies_and_a_smaller_one_takes_open_ones_away() -> None:
    study = comparisons.comparing(2)
    comparisons.judged(comparisons.leased(comparisons.person(study)))  # type: ignore[arg-type]  # there are places
    republish(study, step={"overlap": 3})
    assert (comparisons.open_all(study), spots()) == (2, {("rate", "", 0): 2, ("rate", "", 1): 2, ("rate", "", 2): 2})
    republish(study, step={"overlap": 1})
    comparisons.open_all(study)
    assert spots() == {("rate", "", 0): 2}


def test_what_somebody_held_when_the_overlap_shrank_is_not_opened_again() -> None:
    study = comparisons.comparing(1, step={"overlap": 2})
    for _ in range(2):
        comparisons.leased(comparisons.person(study))
    republish(study, step={"overlap": 1})
    comparisons.open_all(study)
    expire_overdue(now=timezone.now() + timedelta(hours=1))
    assert Counter(Assignment.objects.values_list("state", flat=True)) == {"expired": 2, "open": 1}


def test_items_that_cannot_be_shown_get_no_places() -> None:
    study = comparisons.comparing(0)
    held, unfinished, bare, whole = comparisons.add_items(study, 4)
    Item.objects.filter(pk=held.pk).update(held="looks like a duplicate")
    Candidate.objects.filter(item=unfinished, position=1).update(state=Candidate.State.QUEUED)
    Candidate.objects.filter(item=bare).delete()
    comparisons.open_all(study)
    assert set(Assignment.objects.values_list("item", flat=True)) == {whole.pk}
    Item.objects.filter(pk=held.pk).update(held="")
    Item.objects.filter(pk=whole.pk).update(held="offensive")
    comparisons.open_all(study)
    assert set(Assignment.objects.values_list("item", flat=True)) == {held.pk}


@pytest.mark.parametrize(("gold", "placed"), [(None, 3), ({"rate": 0.5}, 2)])
def test_items_with_a_known_answer_are_mixed_in_where_there_is_a_rate(gold: object, placed: int) -> None:
    study = comparisons.comparing(2, places=False, step={"gold": gold})
    comparisons.add_items(study, 1, first=2, gold={"score": [90, 10]})
    comparisons.open_all(study)
    assert Assignment.objects.values("item").distinct().count() == placed


@pytest.mark.parametrize(
    ("arrangement", "fitting"), [("single", {0, 1}), ("pair", {2}), ("list", {1, 2, 3}), ("grid", {1, 2, 3})]
)
def test_only_items_that_the_protocol_can_judge_get_places(arrangement: str, fitting: set[int]) -> None:
    study = comparisons.comparing(0)
    for number in range(4):
        comparisons.add_items(study, 1, first=number, candidates=number)
    comparisons.open_all(study)
    republish(study, protocols={"rate": {"arrangement": arrangement, "per_candidate": ["score"]}})
    comparisons.open_all(study)
    assert set(Assignment.objects.values_list("item__ordinal", flat=True)) == fitting
    assert study.current is not None
    assert count_not_showable(study.current, comparisons.step_of(study)) == 4 - len(fitting)


def test_a_list_of_one_is_not_weighed() -> None:
    rank = {"order": {"kind": "ranking", "text": "Which is better?"}}
    protocols = {"rate": {"arrangement": "list", "about_item": ["order"]}}
    study = comparisons.comparing(0, questions=comparisons.COMPARE["questions"] | rank, protocols=protocols)
    for number in range(1, 3):
        comparisons.add_items(study, 1, first=number, candidates=number)
    comparisons.open_all(study)
    assert set(Assignment.objects.values_list("item__ordinal", flat=True)) == {2}


def test_small_batches_miss_no_item(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("annotation.assignments.services.places.BATCH", 4)
    study = comparisons.comparing(0)
    comparisons.add_items(study, 7)
    Item.objects.filter(ordinal__in=[2, 3, 4]).update(ordinal=2)
    comparisons.open_all(study)
    assert Counter(Assignment.objects.values_list("item__external_id", flat=True)) == {
        f"item-{number}": 2 for number in range(7)
    }


def order(select: str, **step: Any) -> list[tuple[int, int]]:
    """(ordinal, copy) of a step's places in the order in which they will be leased."""
    study = comparisons.comparing(0, step={"select": select, "overlap": 2, **step})
    for number, value in enumerate(["easy", "easy", "easy", "easy", "hard", "hard"]):
        comparisons.add_items(study, 1, first=number, tags={"level": value})
    Candidate.objects.filter(item__ordinal__in=[4, 5], position=1).update(provenance={"model": "m2"})
    comparisons.open_all(study)
    return list(Assignment.objects.order_by("key", "copy").values_list("item__ordinal", "copy"))


def test_least_judged_takes_every_item_once_before_any_twice() -> None:
    assert [copy for _, copy in order("least_judged")] == [0] * 6 + [1] * 6


def test_ordered_finishes_one_item_after_the_other() -> None:
    assert order("ordered") == [(ordinal, copy) for ordinal in range(6) for copy in range(2)]


def test_random_follows_neither_order_nor_copies_and_is_the_same_again() -> None:
    drawn = order("random")
    assert sorted(drawn) == [(ordinal, copy) for ordinal in range(6) for copy in range(2)]
    assert drawn not in (sorted(drawn), sorted(drawn, key=lambda place: place[::-1]))
    study = Study.objects.get()
    Assignment.objects.all().delete()
    assert study.current is not None
    open_places(version=study.current, step=comparisons.step_of(study), now=timezone.now())
    assert list(Assignment.objects.order_by("key", "copy").values_list("item__ordinal", "copy")) == drawn


@pytest.mark.parametrize(("select", "more"), [("stratified", {"select_by": "level"}), ("balanced_pairs", {})])
def test_groups_are_judged_equally_often_at_any_time(select: str, more: dict[str, str]) -> None:
    drawn = [ordinal >= 4 for ordinal, _ in order(select, **more)]
    # the small group has four places in all, so it is through when the large one has had four
    assert sum(drawn[:8]) == 4
    assert [sum(drawn[: 2 * n]) for n in range(1, 5)] == [1, 2, 3, 4]
