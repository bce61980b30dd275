"""Leasing: the next place for one person, and what becomes of it."""

from collections import Counter
from datetime import timedelta
from typing import Any

import pytest
from django.conf import settings
from django.utils import timezone

from annotation.assignments.models import Assignment
from annotation.assignments.queries import enough_judged, places_filled, tally_of
from annotation.assignments.services import (
    TakenError,
    expire_overdue,
    give_back,
    heartbeat,
    lease_ahead,
    lease_next,
    open_places,
    skip_place,
)
from annotation.common.errors import ConflictError, DomainError, NotFoundError
from annotation.items.models import Candidate, Item
from annotation.judgements.models import Judgement
from annotation.judgements.services import submit_judgement
from annotation.participation.models import Participation, ProfileEntry
from annotation.participation.services import release_stale_seats
from tests.factories import comparisons

pytestmark = pytest.mark.django_db
NOW = timezone.now()
LATER = NOW + timedelta(minutes=31)


def lease(person: Participation, now: Any = NOW) -> Assignment:
    place = comparisons.leased(person, now)
    assert place is not None
    return place


def judged_items(person: Participation) -> list[int]:
    """The ordinals of what this person judges until nothing is left."""
    return [place.item.ordinal for place in comparisons.judge_all(person)]


def test_a_place_is_the_persons_until_it_is_judged() -> None:
    person = comparisons.person(comparisons.comparing(2))
    first, again = lease(person), lease(person)
    assert (first.pk, first.state, first.participation) == (again.pk, "leased", person)
    comparisons.judged(first)
    assert lease(person).item != first.item


def test_everybody_gets_every_item_once_and_then_nothing() -> None:
    study = comparisons.comparing(3)
    done = [sorted(judged_items(comparisons.person(study))) for _ in range(3)]
    assert done == [[0, 1, 2], [0, 1, 2], []]
    assert places_filled(study.pk, "judge") == {("", "done"): 6}


def test_least_judged_gives_the_second_person_what_the_first_has_not_judged() -> None:
    study = comparisons.comparing(4)
    mine = comparisons.judge_all(comparisons.person(study), most=2)
    yours = comparisons.judge_all(comparisons.person(study), most=2)
    assert sorted(place.item.ordinal for place in mine + yours) == [0, 1, 2, 3]


def test_nobody_judges_what_they_wrote() -> None:
    study = comparisons.comparing(3)
    author, other = comparisons.person(study), comparisons.person(study)
    Item.objects.filter(ordinal=1).update(author_id=author.pk)
    assert (sorted(judged_items(author)), sorted(judged_items(other))) == ([0, 2], [0, 1, 2])


def test_an_item_that_is_held_since_is_not_leased() -> None:
    study = comparisons.comparing(3)
    Item.objects.filter(ordinal=1).update(held="offensive")
    assert sorted(judged_items(comparisons.person(study))) == [0, 2]


def test_an_item_that_is_held_back_since_it_was_leased_is_not_shown_again() -> None:
    study = comparisons.comparing(2, step={"overlap": 1})
    person = comparisons.person(study)
    first = lease(person)
    Item.objects.filter(pk=first.item_id).update(held="why not")
    assert lease(person).item != first.item


def test_nobody_judges_more_than_the_maximum() -> None:
    study = comparisons.comparing(5, step={"per_person": {"max": 2}})
    person = comparisons.person(study)
    assert (len(judged_items(person)), tally_of(person, "judge").done) == (2, 2)


# -- strata ------------------------------------------------------------------------------------------------------------
def test_each_pool_fills_its_own_places_and_the_first_pool_is_the_usual_one() -> None:
    study = comparisons.comparing(2, step={"overlap": {"crowd": 2, "expert": 1}})
    people = [comparisons.person(study, pool=pool) for pool in ("expert", "expert", "crowd", "", "crowd")]
    assert [len(judged_items(person)) for person in people] == [2, 0, 2, 2, 0]
    assert places_filled(study.pk, "judge") == {("crowd", "done"): 4, ("expert", "done"): 2}


def test_yes_and_no_are_strata() -> None:
    questions = comparisons.COMPARE["questions"] | {"left": {"kind": "yes_no", "text": "Left?"}}
    steps = [{"questionnaire": "who", "pages": [["left"]]}, *comparisons.document()["steps"]]
    steps[1] |= {"overlap": {"yes": 1, "no": 2}, "strata": "left"}
    study, leased = comparisons.comparing(1, questions=questions, steps=steps), []
    for answer in (True, True, False, False, False):
        person = comparisons.person(study, step=1)
        ProfileEntry.objects.create(
            participation=person, version=person.version, step="who", question="left", value=answer, answered_at=NOW
        )
        leased.append(comparisons.leased(person, NOW) is not None)
    assert leased == [True, False, True, True, False]


def test_strata_of_a_profile_question_follow_the_newest_answer() -> None:
    questions = comparisons.COMPARE["questions"] | {
        "side": {"kind": "single_choice", "text": "Side?", "choices": ["left", "right", "none"]}
    }
    steps = [{"questionnaire": "who", "pages": [["side"]]}, *comparisons.document()["steps"]]
    steps[1] |= {"overlap": {"left": 1, "right": 2}, "strata": "side"}
    study = comparisons.comparing(1, questions=questions, steps=steps)
    for answers, expected in ((["left"], 1), (["right", "left"], 0), (["left", "right"], 1), (["none"], 0), ([], 0)):
        person = comparisons.person(study, step=1)
        for answer in answers:
            ProfileEntry.objects.create(
                participation=person,
                version=person.version,
                step="who",
                question="side",
                value=answer,
                answered_at=NOW,
            )
        assert (answers, len(judged_items(person))) == (answers, expected)


# -- several protocols, gold, repeats ----------------------------------------------------------------------------------
def test_two_protocols_are_counterbalanced_and_meet_the_same_items_after_a_gap() -> None:
    study = comparisons.comparing(8, step={"protocol": ["rate", "alike"]})
    for first, second in (("rate", "alike"), ("alike", "rate")):
        cards = comparisons.judge_all(comparisons.person(study))
        assert [card.protocol for card in cards[:6]] == [first] * 6
        assert (len(cards), cards[6].protocol, cards[6].item) == (16, second, cards[0].item)
        assert len({(card.item_id, card.protocol) for card in cards}) == 16
    assert places_filled(study.pk, "judge") == {("", "done"): 32}


def test_gold_comes_at_its_rate_in_an_order_of_each_persons_own() -> None:
    study = comparisons.comparing(30, places=False, step={"gold": {"rate": 0.25}, "per_person": {"max": 24}})
    comparisons.add_items(study, 10, first=30, gold={"score": [90, 10]})
    comparisons.open_all(study)
    people = [comparisons.judge_all(comparisons.person(study)) for _ in range(2)]
    gold = [[card.item.ordinal for card in cards if card.reason == "gold"] for cards in people]
    assert [len(cards) for cards in people] == [24, 24]
    assert all(3 <= len(drawn) <= 10 and len(set(drawn)) == len(drawn) for drawn in gold)
    assert gold[0] != gold[1]
    assert all(card.item.ordinal < 30 for cards in people for card in cards if card.reason == "planned")


def test_gold_of_another_step_with_the_same_protocol_is_not_given_again() -> None:
    mixed = {"items": "pairs", "protocol": "rate", "gold": {"rate": 1}}
    steps = [{"comparisons": name} | mixed for name in ("judge", "more")]
    study = comparisons.comparing(0, steps=steps)
    comparisons.add_items(study, 4, gold={"score": [90, 10]})
    person = comparisons.person(study)
    first = comparisons.judge_all(person, most=2)
    assert person.version.pk == study.current_id
    more = comparisons.step_of(study, "more")
    second = []
    while (place := lease_next(participation=person, step=more, now=NOW)) is not None:
        comparisons.judged(place)
        second.append(place)
    assert sorted(card.item.ordinal for card in [*first, *second]) == [0, 1, 2, 3]


def test_gold_that_is_not_ready_is_not_given() -> None:
    study = comparisons.comparing(0, step={"gold": {"rate": 1}})
    of_bots, unfinished, bare, held, whole = comparisons.add_items(study, 5, gold={"score": [90, 10]})
    Item.objects.filter(pk=of_bots.pk).update(made_from={"of_bots": True})
    Candidate.objects.filter(item=unfinished, position=0).update(state=Candidate.State.RUNNING)
    Candidate.objects.filter(item=bare).delete()
    Item.objects.filter(pk=held.pk).update(held="offensive")
    assert [card.item for card in comparisons.judge_all(comparisons.person(study))] == [whole]


def test_a_second_look_is_neither_what_was_skipped_nor_what_another_step_asked() -> None:
    in_order = {"items": "pairs", "select": "ordered", "overlap": 2}
    steps = [
        {"comparisons": "judge", "protocol": "rate"} | in_order,
        {"comparisons": "more", "protocol": ["rate", "alike"], "skip": {}} | in_order,
    ]
    study = comparisons.comparing(2, steps=steps)
    more = comparisons.step_of(study, "more")
    assert study.current is not None
    open_places(version=study.current, step=more, now=NOW)
    person = comparisons.person(study, ordinal=1)
    comparisons.judge_all(person, most=1)
    seen = []
    while (place := lease_next(participation=person, step=more, now=NOW)) is not None:
        seen.append((place.item.ordinal, place.protocol))
        if len(seen) == 3:
            skip_place(assignment_id=place.pk, participation=person, step=more, reason="", now=NOW)
        else:
            comparisons.judged(place)
    assert seen == [(0, "alike"), (1, "alike"), (1, "rate")]


@pytest.mark.parametrize("swapped", [True, False])
def test_repeats_come_to_the_same_person_after_the_gap(swapped: bool) -> None:
    rule = {"rate": 0.5, "swapped": swapped, "gap": 3}
    study = comparisons.comparing(12, step={"repeat": rule, "overlap": 1})
    cards = comparisons.judge_all(comparisons.person(study))
    where = [(card.item_id, card.repeat) for card in cards]
    repeats = [card for card in cards if card.reason == "repeat"]
    assert Counter(card.repeat for card in cards)[0] == 12
    assert len(repeats) >= 3
    for card in repeats:
        before = cards[where.index((card.item_id, 0))]
        assert where.index((card.item_id, 1)) - where.index((card.item_id, 0)) > 3
        seen = before.presentation.order
        assert card.presentation.order == (seen[::-1] if swapped else seen)
    assert places_filled(study.pk, "judge") == {("", "done"): 12 + len(repeats)}


# -- orders ------------------------------------------------------------------------------------------------------------
@pytest.mark.parametrize(("rule", "seen"), [("fixed", {(0, 1): 24}), ("balanced", {(0, 1): 12, (1, 0): 12})])
def test_candidates_stand_in_the_order_that_the_protocol_says(rule: str, seen: dict[Any, int]) -> None:
    protocols = {"rate": comparisons.COMPARE["protocols"]["rate"] | {"order": rule}}
    study = comparisons.comparing(6, protocols=protocols, step={"overlap": {"crowd": 3, "expert": 1}})
    people = [comparisons.person(study, pool=pool) for pool in ("crowd", "crowd", "crowd", "expert")]
    cards = [card for person in people for card in comparisons.judge_all(person)]
    positions = {str(one.pk): one.position for card in cards for one in card.item.candidates.all()}
    orders = Counter(tuple(positions[pk] for pk in card.presentation.order) for card in cards)
    assert orders == seen


def test_balanced_orders_are_balanced_over_items_too() -> None:
    protocols = {"rate": comparisons.COMPARE["protocols"]["rate"] | {"order": "balanced"}}
    study = comparisons.comparing(10, protocols=protocols, step={"overlap": {"crowd": 1, "expert": 3}})
    for people in (["crowd"], ["expert"] * 3):
        cards = [card for pool in people for card in comparisons.judge_all(comparisons.person(study, pool=pool))]
        positions = {str(one.pk): one.position for card in cards for one in card.item.candidates.all()}
        first = Counter(positions[card.presentation.order[0]] for card in cards)
        assert first == {0: len(cards) / 2, 1: len(cards) / 2}


def test_a_shuffled_order_follows_from_the_persons_seed() -> None:
    study = comparisons.comparing(20)
    orders = []
    for seed in (1, 1, 2):
        Assignment.objects.all().delete()
        comparisons.open_all(study)
        cards = comparisons.judge_all(comparisons.person(study, seed=seed))
        orders.append({card.item.ordinal: card.presentation.order for card in cards})
    assert orders[0] == orders[1] != orders[2]


# -- time, giving back, skipping ---------------------------------------------------------------------------------------
def test_a_heartbeat_keeps_the_place_and_without_one_it_is_open_to_others() -> None:
    study = comparisons.comparing(1, step={"overlap": 1})
    person, other = comparisons.person(study), comparisons.person(study)
    place = lease(person)
    assert comparisons.leased(other, NOW) is None
    kept = heartbeat(participation=person, step=comparisons.step_of(study), now=NOW + timedelta(minutes=20))
    assert kept == NOW + timedelta(minutes=50)
    assert comparisons.leased(other, LATER) is None
    theirs = lease(other, NOW + timedelta(minutes=51))
    place.refresh_from_db()
    assert (place.state, theirs.item, theirs.copy, theirs.key) == ("expired", place.item, place.copy, place.key)
    assert heartbeat(participation=person, step=comparisons.step_of(study), now=LATER) is None


def test_who_judges_or_has_a_card_open_keeps_a_seat() -> None:
    study = comparisons.comparing(1)
    judging, reading, away = (comparisons.person(study, quota_cells=[{"quota": "q", "cell": "c"}]) for _ in range(3))
    later = NOW + timedelta(hours=settings.SEAT_TIMEOUT_HOURS + 1)
    lease(judging, later)
    heartbeat(participation=reading, step=comparisons.step_of(study), now=later)
    assert release_stale_seats(now=later) == 1
    assert [Participation.objects.get(pk=one.pk).state for one in (judging, reading, away)] == [
        "active", "active", "timed_out",
    ]  # fmt: skip


def test_the_sweep_opens_what_ran_out_and_no_live_talk() -> None:
    study = comparisons.comparing(2)
    place = lease(comparisons.person(study))
    live = Assignment.objects.create(
        study=study, version=study.current, item=place.item, protocol="talk", reason="live", state="leased",
        leased_until=NOW, created_at=NOW,
    )  # fmt: skip
    assert (expire_overdue(now=NOW), expire_overdue(now=LATER), expire_overdue(now=LATER)) == (0, 1, 0)
    live.refresh_from_db()
    assert (live.state, places_filled(study.pk, "judge")) == ("leased", {("", "expired"): 1, ("", "open"): 4})


def test_who_comes_back_after_the_time_gets_the_place_again_while_nobody_has_it() -> None:
    study = comparisons.comparing(1, step={"overlap": 1})
    person = comparisons.person(study)
    place = lease(person)
    assert lease(person, LATER).pk == place.pk
    expire_overdue(now=LATER + timedelta(hours=1))
    again = lease(person, LATER + timedelta(hours=1))
    assert (again.pk == place.pk, again.item) == (False, place.item)


def test_given_back_places_are_open_again_also_to_the_same_person() -> None:
    study = comparisons.comparing(1, step={"overlap": 1})
    person = comparisons.person(study)
    place = lease(person)
    assert give_back(participation=person, step=comparisons.step_of(study), now=NOW) == 1
    assert lease(comparisons.person(study)).item == place.item


def test_a_skipped_item_goes_to_others_and_not_to_the_same_person() -> None:
    study = comparisons.comparing(2, step={"overlap": 1, "skip": {"reasons": {"unclear": "Unclear"}, "max": 1}})
    person, step = comparisons.person(study), comparisons.step_of(study)
    place = lease(person)
    with pytest.raises(DomainError, match="Say why"):
        skip_place(assignment_id=place.pk, participation=person, step=step, reason="bored", now=NOW)
    with pytest.raises(NotFoundError):
        skip_place(
            assignment_id=place.pk, participation=comparisons.person(study), step=step, reason="unclear", now=NOW
        )
    for _ in range(2):
        skip_place(assignment_id=place.pk, participation=person, step=step, reason="unclear", now=NOW)
    second = lease(person)
    with pytest.raises(ConflictError, match="as many items as you may"):
        skip_place(assignment_id=second.pk, participation=person, step=step, reason="unclear", now=NOW)
    comparisons.judged(second)
    assert comparisons.leased(person, NOW) is None
    assert lease(comparisons.person(study)).item == place.item
    place.refresh_from_db()
    assert (place.state, place.skip_reason) == ("skipped", "unclear")


def test_without_the_rule_nothing_can_be_skipped() -> None:
    study = comparisons.comparing(1)
    person = comparisons.person(study)
    with pytest.raises(ConflictError, match="cannot be skipped"):
        skip_place(
            assignment_id=lease(person).pk,
            participation=person,
            step=comparisons.step_of(study),
            reason="",
            now=NOW,
        )


# -- one ahead ---------------------------------------------------------------------------------------------------------
def test_the_card_after_this_one_can_be_had_ahead_once() -> None:
    study = comparisons.comparing(3, step={"per_person": {"max": 2}})
    person, step = comparisons.person(study), comparisons.step_of(study)
    assert lease_ahead(participation=person, step=step, now=NOW) is None
    first = lease(person)
    ahead = lease_ahead(participation=person, step=step, now=NOW)
    assert ahead is not None
    assert lease_ahead(participation=person, step=step, now=NOW) == ahead
    assert (lease(person).pk, ahead.ahead, ahead.item == first.item) == (first.pk, True, False)
    comparisons.judged(first)
    second = lease(person)
    assert (second.pk, second.ahead, second.presentation.order) == (ahead.pk, False, ahead.presentation.order)
    # with it the maximum is reached
    assert lease_ahead(participation=person, step=step, now=NOW) is None
    comparisons.judged(second)
    assert comparisons.leased(person) is None


def test_what_was_had_ahead_and_not_seen_goes_back_without_a_trace() -> None:
    study = comparisons.comparing(3)
    person, step = comparisons.person(study), comparisons.step_of(study)
    first = lease(person)
    lease_ahead(participation=person, step=step, now=NOW)
    assert give_back(participation=person, step=step, now=NOW, unseen_only=True) == 1
    assert places_filled(study.pk, "judge") == {("", "leased"): 1, ("", "open"): 5}
    assert lease(person).pk == first.pk


# -- late judgements ---------------------------------------------------------------------------------------------------
@pytest.mark.parametrize("swept", [True, False])
def test_a_late_answer_is_kept_and_marked_while_nobody_else_has_the_place(swept: bool) -> None:
    study = comparisons.comparing(1, step={"overlap": 1})
    place = lease(comparisons.person(study))
    if swept:
        expire_overdue(now=LATER)
    judgement = comparisons.judged(place, now=LATER).judgement
    assert (judgement.late, places_filled(study.pk, "judge")) == (True, {("", "done"): 1})


def test_a_late_answer_is_refused_with_an_explanation_when_the_place_is_taken() -> None:
    study = comparisons.comparing(1, step={"overlap": 1})
    place = lease(comparisons.person(study))
    theirs = lease(comparisons.person(study), LATER)
    with pytest.raises(ConflictError, match="Your time for this item was over"):
        comparisons.judged(place, now=LATER)
    comparisons.judged(theirs, now=LATER)
    assert (Judgement.objects.get().assignment, Judgement.objects.get().late) == (theirs, False)


def test_a_whole_answer_that_came_too_late_counts_towards_the_persons_least_number() -> None:
    study = comparisons.comparing(1, step={"overlap": 1})
    person, step = comparisons.person(study), comparisons.step_of(study)
    place = lease(person)
    lease(comparisons.person(study), LATER)
    enough = []
    for fields in ({}, comparisons.fields_of(place), comparisons.fields_of(place)):
        with pytest.raises(TakenError):
            submit_judgement(
                assignment_id=place.pk, participation=person, key="late", fields=fields, timings={}, now=LATER
            )
        enough.append(enough_judged(step, tally_of(person, "judge")))
    assert (enough, tally_of(person, "judge").credited) == ([False, True, True], 1)


def test_a_late_answer_brings_nobody_over_the_maximum() -> None:
    study = comparisons.comparing(2, step={"overlap": 1, "per_person": {"max": 1}})
    person = comparisons.person(study)
    late = lease(person)
    expire_overdue(now=LATER)
    # the item that they had is the second of equals now
    Assignment.objects.filter(state="open", item=late.item).update(key=9)
    comparisons.judged(lease(person, LATER), now=LATER)
    with pytest.raises(TakenError):
        comparisons.judged(late, now=LATER)
    assert places_filled(study.pk, "judge") == {("", "done"): 1, ("", "expired"): 1, ("", "open"): 1}


def test_a_late_answer_to_what_the_same_person_skipped_since_is_refused() -> None:
    study = comparisons.comparing(1, step={"overlap": 1, "skip": {}})
    person = comparisons.person(study)
    place = lease(person)
    expire_overdue(now=LATER)
    again = lease(person, LATER)
    skip_place(assignment_id=again.pk, participation=person, step=comparisons.step_of(study), reason="", now=LATER)
    with pytest.raises(ConflictError):
        comparisons.judged(place, now=LATER)
    assert Judgement.objects.count() == 0


# -- bots --------------------------------------------------------------------------------------------------------------
def test_bots_get_places_of_their_own_with_the_same_overlap() -> None:
    study = comparisons.comparing(3)
    bots = [comparisons.person(study, rehearsal=True) for _ in range(3)]
    assert [sorted(judged_items(bot)) for bot in bots] == [[0, 1, 2]] * 3
    assert places_filled(study.pk, "judge") == {("", "open"): 6}
    done = Assignment.objects.filter(rehearsal=True, state="done").values_list("item__ordinal", "wave")
    assert Counter(done) == {(ordinal, wave): 2 - wave for ordinal in range(3) for wave in (0, 1)}
