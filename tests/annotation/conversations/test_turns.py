"""A message opens a turn whose answers are decided before their first token."""

from typing import Any

import pytest
from django.utils import timezone

from annotation.assignments.models import Assignment
from annotation.common.errors import ConflictError, NotFoundError
from annotation.conversations.models import Turn
from annotation.conversations.services.turns import Spoken, retry_turn, start_turn
from annotation.items.models import Candidate, Draw
from annotation.items.recipes import NothingToDrawError
from models_serving.catalog.models import ServedModel
from tests.factories import talks

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def _models(db: None) -> None:
    talks.served()


def facts(turn: Turn) -> list[tuple[Any, ...]]:
    candidates = turn.item.candidates.all()
    return [(one.pool_entry, one.request["seed"], one.recipe, one.state) for one in candidates]


def test_an_opening_draws_different_models_and_records_how() -> None:
    turn = talks.said(talks.conversation(talks.talker()))
    draws = list(Draw.objects.filter(candidate__item=turn.item).order_by("candidate__position"))
    assert len({draw.pool_entry for draw in draws}) == 3
    assert [(draw.probability, draw.pool, draw.exclusions, draw.reason) for draw in draws] == [
        (3 / 5, list(talks.MODELS), {}, "first")
    ] * 3


def test_everything_about_an_answer_is_stored_before_its_first_token() -> None:
    turn = talks.said(talks.conversation(talks.talker()), "What now?")
    candidate = turn.item.candidates.all()[0]
    seed = candidate.request.pop("seed")
    assert (type(seed), candidate.state) == (int, Candidate.State.QUEUED)
    assert candidate.request == {
        "messages": [{"role": "system", "content": "Be brief."}, {"role": "user", "content": "What now?"}],
        "sampling": {"temperature": 1.0, "max_tokens": 64, "stop": []},
    }
    presentation = turn.assignment.presentation
    assert sorted(presentation.order) == sorted(str(one.pk) for one in turn.item.candidates.all())
    assert (turn.assignment.state, turn.assignment.protocol) == (Assignment.State.LEASED, "rate")


def test_the_same_person_at_the_same_place_always_meets_the_same_draw_and_order() -> None:
    person = talks.talker()
    first = talks.said(talks.conversation(person))
    drawn, order = facts(first), [talks_position(first, pk) for pk in first.assignment.presentation.order]
    first.conversation.delete()
    again = talks.said(talks.conversation(person))
    assert facts(again) == drawn
    assert [talks_position(again, pk) for pk in again.assignment.presentation.order] == order


def talks_position(turn: Turn, pk: str) -> int:
    return turn.item.candidates.get(pk=pk).position


def test_slots_are_shuffled_between_people() -> None:
    person = talks.talker()
    others = [talks.talker(person.study) for _ in range(12)]
    turns = [talks.said(talks.conversation(other)) for other in others]
    orders = {tuple(talks_position(turn, pk) for pk in turn.assignment.presentation.order) for turn in turns}
    assert len(orders) > 2


def test_a_later_turn_samples_the_chosen_model_with_the_whole_history() -> None:
    talk = talks.conversation(talks.talker())
    opening = talks.answered(talk, "First")
    talks.judged(opening, (10, 80, 20))
    opening.refresh_from_db()
    turn = talks.said(talk, "Second")
    chosen = opening.chosen
    assert chosen is not None
    assert [one.pool_entry for one in turn.item.candidates.all()] == [chosen.pool_entry] * 2
    assert len({one.request["seed"] for one in turn.item.candidates.all()}) == 2
    assert turn.item.context["messages"] == [
        {"role": "user", "content": "First"},
        {"role": "assistant", "content": chosen.text},
        {"role": "user", "content": "Second"},
    ]
    assert (turn.parent_id, turn.number, turn.attempt) == (opening.pk, 1, 0)
    assert {draw.probability for draw in Draw.objects.filter(candidate__item=turn.item)} == {1.0}


def test_the_same_key_gives_the_same_turn_and_no_second_one() -> None:
    talk = talks.conversation(talks.talker())
    first = talks.said(talk, "Hi", with_key="k")
    assert talks.said(talk, "Hi", with_key="k") == first
    assert Turn.objects.count() == 1


def test_the_same_key_with_another_text_is_refused_and_the_first_stays() -> None:
    talk = talks.conversation(talks.talker())
    talks.said(talk, "Hi", with_key="k")
    with pytest.raises(ConflictError):
        talks.said(talk, "Something else", with_key="k")
    assert [turn.user_text for turn in Turn.objects.all()] == ["Hi"]


def test_a_message_while_answers_are_written_or_wait_is_refused() -> None:
    talk = talks.conversation(talks.talker())
    turn = talks.said(talk)
    with pytest.raises(ConflictError):
        talks.said(talk, "Faster!")
    talks.run_jobs(turn)
    with pytest.raises(ConflictError):
        talks.said(talk, "Faster!")
    assert Turn.objects.count() == 1


def test_somebody_else_finds_no_such_conversation() -> None:
    talk = talks.conversation(talks.talker())
    stranger = talks.talker(talk.participation.study)
    with pytest.raises(NotFoundError):
        start_turn(conversation_id=talk.pk, participation=stranger, spoken=Spoken("Hi", "k", {}), now=timezone.now())


def test_no_turn_is_opened_beyond_the_most_that_the_document_allows() -> None:
    talk = talks.conversation(talks.talker(step={"turns": talks.TALK["steps"][0]["turns"] | {"max": 2}}))
    for text in ("One", "Two"):
        talks.judged(talks.answered(talk, text))
    with pytest.raises(ConflictError):
        talks.said(talk, "Three")


def test_a_model_that_is_switched_off_is_not_drawn_and_the_draw_says_so() -> None:
    ServedModel.objects.filter(name="m-two").update(enabled=False)
    turn = talks.said(talks.conversation(talks.talker()))
    draw = Draw.objects.filter(candidate__item=turn.item)[0]
    assert (draw.pool, draw.exclusions, draw.probability) == (
        ["m-one", "m-three", "m-four", "m-five"], {"m-two": "disabled"}, 3 / 4,
    )  # fmt: skip


def test_a_model_that_is_known_not_to_answer_is_not_drawn_to_be_replaced_and_the_draw_says_so() -> None:
    ServedModel.objects.filter(name__in=["m-two", "m-five"]).update(health="unhealthy")
    turn = talks.said(talks.conversation(talks.talker()))
    draw = Draw.objects.filter(candidate__item=turn.item)[0]
    silent = {"m-two": "does not answer", "m-five": "does not answer"}
    assert (draw.pool, draw.exclusions, draw.probability) == (["m-one", "m-three", "m-four"], silent, 1.0)


@pytest.mark.parametrize(
    ("ill", "then"), [(["m-one"], "void"), (["m-one", "m-two", "m-three"], "replace")], ids=["void", "too_few_left"]
)
def test_every_model_is_drawn_where_none_is_replaced_or_the_others_are_too_few(ill: list[str], then: str) -> None:
    ServedModel.objects.filter(name__in=ill).update(health="unhealthy")
    turn = talks.said(talks.conversation(talks.talker(models={"on_failure": {"retries": 1, "then": then}})))
    draw = Draw.objects.filter(candidate__item=turn.item)[0]
    assert (draw.pool, draw.exclusions) == (list(talks.MODELS), {})


def test_the_model_of_a_talk_goes_on_with_it_though_it_is_known_not_to_answer() -> None:
    talk = talks.conversation(talks.talker())
    turn = talks.answered(talk)
    talks.judged(turn)
    turn.refresh_from_db()
    assert turn.chosen is not None
    ServedModel.objects.filter(name=turn.chosen.pool_entry).update(health="unhealthy")
    again = talks.said(talk)
    assert {one.pool_entry for one in again.item.candidates.all()} == {turn.chosen.pool_entry}


def test_never_fewer_candidates_than_asked_for_so_a_small_pool_is_refused_and_nothing_is_stored() -> None:
    talk = talks.conversation(talks.talker())
    ServedModel.objects.exclude(name__in=["m-one", "m-two"]).update(enabled=False)
    with pytest.raises(NothingToDrawError):
        talks.said(talk)
    assert (Turn.objects.count(), Candidate.objects.count(), Assignment.objects.count()) == (0, 0, 0)


def test_trying_again_after_a_void_turn_is_a_sibling_with_the_same_text() -> None:
    talk = talks.conversation(talks.talker())
    turn = talks.said(talk, "Hello?")
    Turn.objects.filter(pk=turn.pk).update(state=Turn.State.VOID)
    again = retry_turn(turn_id=turn.pk, participation=talk.participation, key="r", now=timezone.now()).turn
    same = retry_turn(turn_id=turn.pk, participation=talk.participation, key="r", now=timezone.now()).turn
    assert (again.number, again.attempt, again.parent_id, again.user_text) == (0, 1, None, "Hello?")
    assert (again, Turn.objects.count()) == (same, 2)
    assert facts(again) != facts(turn)


def test_when_none_is_acceptable_the_same_message_is_answered_by_new_candidates() -> None:
    talk = talks.conversation(talks.talker(choice={"none_acceptable": {"reason": "required"}}))
    turn = talks.answered(talk, "Hello?")
    judgement = talks.judged(turn, (5, 5, 5), none="1", none_reason="All rude").judgement
    assert (judgement.chosen, judgement.choice_rule, judgement.choice) == (
        None, "none_acceptable", {"none_reason": "All rude"},
    )  # fmt: skip
    again = talk.turns.get(attempt=1)
    assert (again.user_text, again.number, again.state) == ("Hello?", 0, Turn.State.GENERATING)
