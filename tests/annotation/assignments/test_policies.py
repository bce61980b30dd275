"""Policies that learn from judgements or make items of their own."""

from collections import Counter
from itertools import combinations
from typing import Any

import pytest
from django.core.cache import cache
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from annotation.assignments.models import Assignment
from annotation.assignments.policies import POLICIES
from annotation.assignments.policies.triads import covering_triads
from annotation.assignments.ratings import PRIOR_SD, variances_of_differences
from annotation.assignments.services import open_missing_places, refresh_keys, refresh_keys_everywhere
from annotation.items.models import Candidate, Item
from annotation.judgements.queries import wanted_count
from annotation.judgements.services import change_judgement
from annotation.participation.models import Participation
from annotation.studies.document.comparisons import SelectionPolicy
from annotation.studies.models import Study
from tests.factories import comparisons

NOW = timezone.now()


def test_every_policy_of_the_document_is_there() -> None:
    assert set(POLICIES) == set(SelectionPolicy.__args__)  # type: ignore[attr-defined]  # a Literal


def best_wins(person: Participation) -> list[Assignment]:
    """Judge all that there is: candidates are as good as the number in their first copy's model."""
    places = []
    while (place := comparisons.leased(person)) is not None:
        good = {str(one.pk): int(one.provenance["model"][1:]) for one in place.item.candidates.all()}
        comparisons.judged(place, [good[pk] for pk in place.presentation.order])
        places.append(place)
    return places


def tournament(candidates: int, **step: Any) -> Study:
    study = comparisons.comparing(0, step={"select": "elimination", "overlap": 1} | step)
    comparisons.add_items(study, 1, candidates=candidates)
    comparisons.open_all(study)
    return study


def matches() -> list[list[str]]:
    """The models of each match, round by round."""
    items = Item.objects.filter(made_from__has_key="match").prefetch_related("candidates")
    ordered = sorted(items, key=lambda item: (item.made_from["round"], item.made_from["match"]))
    return [[one.provenance["model"] for one in item.candidates.all()] for item in ordered]


# -- elimination -------------------------------------------------------------------------------------------------------
@pytest.mark.django_db
@pytest.mark.parametrize(("candidates", "expected"), [(3, 2), (4, 3), (5, 4), (8, 7)])
def test_a_tournament_ends_with_the_best_after_one_match_less_than_candidates(candidates: int, expected: int) -> None:
    study = tournament(candidates)
    assert len(best_wins(comparisons.person(study))) == expected
    best = f"m{candidates - 1}"
    assert (len(matches()), best in matches()[-1]) == (expected, True)
    losers = [min(match) for match in matches()]
    assert sorted(losers) == [f"m{number}" for number in range(candidates - 1)]


@pytest.mark.django_db
def test_the_next_round_waits_for_all_places_of_the_one_before() -> None:
    study = tournament(4, overlap=2)
    best_wins(comparisons.person(study))
    assert len(matches()) == 2
    places = best_wins(comparisons.person(study))
    assert [place.item.made_from["round"] for place in places] == [1, 1, 2]
    # what was opened meanwhile is not opened once more
    comparisons.open_all(study)
    assert (len(matches()), Assignment.objects.count()) == (3, 6)


@pytest.mark.django_db
def test_a_changed_judgement_changes_the_next_round_until_somebody_is_shown_it() -> None:
    person = comparisons.person(tournament(4, undo=60))
    for _ in range(2):
        place = comparisons.leased(person)
        assert place is not None
        comparisons.judged(place, [2, 1])
    first, second = place.item.candidates.all()
    before = Candidate.objects.get(pk=place.presentation.order[0])
    other = second if before == first else first
    finals = []
    for values in ([1, 2], [2, 1], [1, 2]):
        change_judgement(
            assignment_id=place.pk,
            participation=person,
            key=f"change-{len(finals)}",
            fields=comparisons.fields_of(place, values),
            timings={},
            now=timezone.now(),
        )
        finals.append(matches()[-1][place.item.made_from["match"]])
        if len(finals) == 2:
            assert comparisons.leased(comparisons.person(person.study)) is not None
    assert (len(matches()), finals) == (3, [other.provenance["model"], *[before.provenance["model"]] * 2])


@pytest.mark.django_db
def test_an_even_match_is_decided_by_a_draw_and_pairs_are_judged_as_they_are() -> None:
    study = tournament(3)
    comparisons.add_items(study, 1, first=1)
    comparisons.open_all(study)
    person = comparisons.person(study)
    while (place := comparisons.leased(person)) is not None:
        comparisons.judged(place, [5, 5])
    assert len(matches()) == 2
    assert Assignment.objects.filter(item__external_id="item-1", state="done").count() == 1
    assert Assignment.objects.filter(item__external_id="item-0").count() == 0


@pytest.mark.django_db
def test_bots_have_tournaments_of_their_own_after_the_first_round() -> None:
    study = tournament(4)
    best_wins(comparisons.person(study, rehearsal=True))
    later = Item.objects.get(made_from__round=2)
    assert later.made_from["of_bots"] is True
    comparisons.open_all(study)
    assert Assignment.objects.filter(rehearsal=False).exclude(item__made_from__round=1).count() == 0
    assert [place.item.made_from["round"] for place in best_wins(comparisons.person(study))] == [1, 1, 2]
    assert Item.objects.filter(made_from__round=2).count() == 2


@pytest.mark.django_db
def test_a_match_shows_copies_that_say_where_they_come_from() -> None:
    study = comparisons.comparing(0, step={"select": "elimination", "overlap": 1})
    author = comparisons.person(study)
    (base,) = comparisons.add_items(study, 1, candidates=3, author_id=author.pk, tags={"topic": "tea"})
    comparisons.open_all(study)
    match = Item.objects.get(made_from__round=1)
    assert (match.context, match.author_id, match.tags["topic"]) == (base.context, author.pk, "tea")
    for copy in match.candidates.all():
        first = Candidate.objects.get(pk=copy.provenance["from_candidate"])
        assert (first.item, first.content, first.state) == (base, copy.content, copy.state)
        assert copy.provenance["from_item"] == str(base.pk)
    assert comparisons.leased(author) is None


# -- triads ------------------------------------------------------------------------------------------------------------
@pytest.mark.parametrize("count", range(4, 13))
def test_triads_bring_every_two_together_and_are_few(count: int) -> None:
    triads = covering_triads(count)
    met = {pair for triad in triads for pair in combinations(triad, 2)}
    assert met == set(combinations(range(count), 2))
    # a triad has three pairs; a greedy choice takes no more than twice as many as that
    assert len(triads) <= 2 * len(met) / 3


@pytest.mark.django_db
def test_an_item_with_many_candidates_is_judged_by_threes_once() -> None:
    study = comparisons.comparing(0, step={"select": "triads", "overlap": 1, "protocol": "list"}, protocols=LISTS)
    comparisons.add_items(study, 1, candidates=5)
    comparisons.add_items(study, 1, candidates=3, first=1)
    for _ in range(2):
        comparisons.open_all(study)
    places = Assignment.objects.select_related("item").prefetch_related("item__candidates")
    sizes = Counter(len(place.item.candidates.all()) for place in places)
    assert sizes == {3: 1 + len(covering_triads(5))}
    assert Item.objects.filter(external_id="item-0", assignments__isnull=False).count() == 0


@pytest.mark.django_db
def test_progress_counts_what_there_is_to_judge() -> None:
    step = {"select": "triads", "overlap": 1, "protocol": "list", "gold": {"rate": 0.1}}
    study = comparisons.comparing(0, step=step, protocols=LISTS)
    comparisons.add_items(study, 1, candidates=5)
    comparisons.add_items(study, 2, candidates=3, first=1)
    comparisons.add_items(study, 1, candidates=3, first=3, held="offensive")
    comparisons.add_items(study, 1, candidates=3, first=4, gold={"score": [1, 2, 3]})
    comparisons.add_items(study, 1, candidates=5, first=5, gold={"score": [1, 2, 3, 4, 5]})
    comparisons.add_items(study, 1, candidates=3, first=6, made_from={"of_bots": True})
    comparisons.open_all(study)
    person, step_now = comparisons.person(study), comparisons.step_of(study)
    assert wanted_count(person, step_now) == Assignment.objects.count() == len(covering_triads(5)) + 2
    # from now on it is known from when places are made
    comparisons.add_items(study, 1, candidates=3, first=7)
    cache.clear()
    open_missing_places(now=NOW)
    with CaptureQueriesContext(connection) as queries:
        wanted = wanted_count(person, step_now)
    assert (wanted, len(queries)) == (Assignment.objects.count(), 1)


LISTS = {"list": {"arrangement": "list", "per_candidate": ["score"]}}


# -- uncertainty -------------------------------------------------------------------------------------------------------
def test_nothing_known_leaves_the_priors_variance() -> None:
    assert variances_of_differences(["b", "a"], {}) == {("a", "b"): pytest.approx(2 * PRIOR_SD**2)}


def test_the_variance_of_an_even_series_is_that_of_the_normal_approximation() -> None:
    # by hand: along a − b the precision is 1 / (2 sd²) + n / 4, and its mode is at 0
    variance = variances_of_differences(["a", "b"], {("a", "b"): (10.0, 10.0)})[("a", "b")]
    assert variance == pytest.approx(1 / (1 / (2 * PRIOR_SD**2) + 20 / 4))


def test_what_was_compared_is_known_better_also_by_way_of_others() -> None:
    games = {("a", "b"): (6.0, 4.0), ("b", "c"): (3.0, 7.0)}
    found = variances_of_differences(["a", "b", "c", "d"], games)
    assert found["a", "b"] < found["a", "c"] < found["a", "d"] <= 2 * PRIOR_SD**2
    one_sided = variances_of_differences(["a", "b"], {("a", "b"): (1000.0, 0.0)})
    assert 0 < one_sided["a", "b"] < 2 * PRIOR_SD**2


@pytest.mark.django_db
def test_the_least_known_pair_of_models_comes_first_once_there_are_judgements() -> None:
    study = comparisons.comparing(0, step={"select": "uncertainty", "select_by": "score", "overlap": 1})
    comparisons.add_items(study, 6)
    comparisons.add_items(study, 3, first=6)
    Candidate.objects.filter(item__ordinal__gte=6, position=1).update(provenance={"model": "m2"})
    comparisons.open_all(study)
    first = Assignment.objects.filter(item__ordinal__lt=6).order_by("key")[:4]
    Assignment.objects.filter(pk__in=[place.pk for place in first]).update(key=-1e6)
    assert refresh_keys(study=study, step=comparisons.step_of(study)) is False
    person = comparisons.person(study)
    for _ in range(4):
        place = comparisons.leased(person)
        assert place is not None
        comparisons.judged(place, [1, 2])
    keys = dict(Assignment.objects.values_list("pk", "key"))
    assert open_missing_places(now=NOW) == 0
    # a job of its own, so that nobody's places wait for what it counts
    assert dict(Assignment.objects.values_list("pk", "key")) == keys
    assert refresh_keys_everywhere() == 1
    order = [place.item.ordinal >= 6 for place in Assignment.objects.filter(state="open").order_by("key")]
    assert order == [True] * 3 + [False] * 2
    keys = dict(Assignment.objects.values_list("pk", "key"))
    assert refresh_keys(study=study, step=comparisons.step_of(study)) is False
    assert dict(Assignment.objects.values_list("pk", "key")) == keys
