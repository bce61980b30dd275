"""A judgement is stored once, by id, with everything that it follows from."""

from typing import Any

import pytest
from django.utils import timezone

from annotation.assignments.models import Assignment
from annotation.common.errors import ConflictError, NotFoundError
from annotation.conversations.models import Turn
from annotation.conversations.services.turns import judge_turn
from annotation.items.models import Candidate
from annotation.judgements.models import Judgement
from annotation.judgements.services import AnswersRefusedError, submit_judgement
from tests.factories import talks

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def _models(db: None) -> None:
    talks.served()


def opening(**document: Any) -> Turn:
    return talks.answered(talks.conversation(talks.talker(**document)))


def test_answers_are_stored_under_the_candidates_ids_that_the_letters_stood_for() -> None:
    turn = opening()
    judgement = talks.judged(turn, (10, 80, 20)).judgement
    order = turn.assignment.presentation.order
    assert {target: answer["value"] for target, answer in judgement.answers["score"].items()} == dict(
        zip(order, (10, 80, 20), strict=True)
    )
    assert (str(judgement.chosen_id), judgement.choice_rule, judgement.protocol) == (order[1], "highest", "rate")


def test_the_chosen_answer_is_known_by_id_where_all_texts_are_the_same() -> None:
    turn = opening()
    Candidate.objects.filter(item=turn.item).update(content={"text": "Same"})
    judgement = talks.judged(turn, (10, 20, 80)).judgement
    assert str(judgement.chosen_id) == turn.assignment.presentation.order[2]


def test_a_judged_place_is_done_and_the_turn_names_its_answer() -> None:
    turn = opening()
    judgement = talks.judged(turn).judgement
    turn.refresh_from_db()
    assert (turn.state, turn.chosen_id) == (Turn.State.JUDGED, judgement.chosen_id)
    assert Assignment.objects.get(pk=turn.assignment_id).state == Assignment.State.DONE


def test_the_same_key_and_answers_give_the_earlier_receipt() -> None:
    turn = opening()
    first = talks.judged(turn, (1, 2, 3), with_key="k")
    again = talks.judged(turn, (1, 2, 3), with_key="k")
    assert (first.repeated, again.repeated, again.judgement.receipt) == (False, True, first.judgement.receipt)
    assert Judgement.objects.count() == 1


def test_the_same_key_with_other_answers_is_refused_and_the_first_stay() -> None:
    turn = opening()
    talks.judged(turn, (1, 2, 3), with_key="k")
    with pytest.raises(ConflictError):
        talks.judged(turn, (3, 2, 1), with_key="k")
    assert [row.choice_rule for row in Judgement.objects.all()] == ["highest"]


def test_another_key_for_a_judged_place_is_refused() -> None:
    turn = opening()
    talks.judged(turn)
    with pytest.raises(ConflictError):
        talks.judged(turn)
    assert Judgement.objects.count() == 1


def test_a_key_that_was_used_elsewhere_is_refused() -> None:
    turn = opening()
    talks.judged(turn, (1, 2, 3), with_key="k")
    second = talks.answered(turn.conversation, "More")
    with pytest.raises(ConflictError):
        talks.judged(second, (1, 2), with_key="k")


def test_a_renewed_form_token_is_not_another_body() -> None:
    turn = opening()
    person, fields = turn.conversation.participation, talks.scores(turn, (1, 2, 3))
    kept = []
    for token in ("old", "fresh"):
        sent = fields | {"csrfmiddlewaretoken": [token], "timers": [token]}
        kept.append(
            judge_turn(
                turn_id=turn.pk, participation=person, key="k", fields=sent, timings={}, shown={}, now=timezone.now()
            ).judgement.pk
        )
    assert kept[0] == kept[1]


def test_answers_that_are_wrong_store_nothing_and_leave_the_place_open() -> None:
    turn = opening()
    with pytest.raises(AnswersRefusedError) as refused:
        talks.judged(turn, (1, 2, 500))
    assert list(refused.value.form.errors) == ["C-score"]
    assert Judgement.objects.count() == 0
    assert Assignment.objects.get(pk=turn.assignment_id).state == Assignment.State.LEASED


def test_a_tie_at_the_top_is_asked_about_and_then_stored_with_what_was_tied() -> None:
    turn = opening()
    order = turn.assignment.presentation.order
    with pytest.raises(AnswersRefusedError) as refused:
        talks.judged(turn, (70, 20, 70), with_key="k")
    assert refused.value.form.errors == {"chosen": "These are tied: which one continues?"}
    judgement = talks.judged(turn, (70, 20, 70), with_key="k", chosen="C").judgement
    assert (str(judgement.chosen_id), judgement.choice_rule, judgement.choice) == (
        order[2], "tie_asked", {"tied": [order[0], order[2]]},
    )  # fmt: skip


def test_a_drawn_tie_goes_on_with_the_recorded_one() -> None:
    turn = opening(choice={"tie": "random"})
    order = turn.assignment.presentation.order
    judgement = talks.judged(turn, (70, 70, 20)).judgement
    assert judgement.choice_rule == "tie_random"
    assert judgement.choice == {"tied": order[:2], "seed": turn.assignment.presentation.seed}
    turn.refresh_from_db()
    assert (turn.chosen_id, str(turn.chosen_id) in order[:2]) == (judgement.chosen_id, True)


def test_somebody_else_finds_nothing_to_judge() -> None:
    turn = opening()
    stranger = talks.talker(turn.conversation.participation.study)
    with pytest.raises(NotFoundError):
        submit_judgement(
            assignment_id=turn.assignment_id,
            participation=stranger,
            key="k",
            fields=talks.scores(turn, (1, 2, 3)),
            timings={},
            now=timezone.now(),
        )


def test_answers_to_a_turn_that_is_not_complete_are_refused() -> None:
    turn = talks.said(talks.conversation(talks.talker()))
    with pytest.raises(ConflictError):
        talks.judged(turn)
