"""A conversation in the admin: as the annotator saw it, beside where each answer came from."""

import pytest
from django.urls import reverse

from annotation.conversations.replay import after_judgements, shown_turns
from tests.factories import talks
from tests.factories.staff import admin_browser, stranger_browser

pytestmark = pytest.mark.django_db


@pytest.fixture
def judged_talk():
    talks.served()
    talk = talks.conversation(talks.talker())
    turn = talks.answered(talk)
    talks.judged(turn, [20, 90, 30])
    return talk


def test_candidates_stand_in_the_order_of_the_screen_with_their_marks(judged_talk) -> None:
    (shown,) = shown_turns(judged_talk)
    assert [(one.slot, one.answers["score"]["value"], one.chosen) for one in shown.candidates] == [
        ("A", 20, False), ("B", 90, True), ("C", 30, False),
    ]  # fmt: skip
    assert [str(one.candidate.pk) for one in shown.candidates] == shown.presentation.order


def test_every_candidate_names_its_draw_and_its_attempts(judged_talk) -> None:
    (shown,) = shown_turns(judged_talk)
    for one in shown.candidates:
        assert [draw.pool_entry for draw in one.draws] == [one.candidate.pool_entry]
        assert [(made.attempt, made.state) for made in one.generations] == [(1, "done")]


def test_the_page_shows_the_model_to_staff_and_is_closed_to_others(judged_talk) -> None:
    address = reverse("admin:conversations_conversation_change", args=[judged_talk.pk])
    page = admin_browser().get(address)
    (shown,) = shown_turns(judged_talk)
    assert [one.candidate.pool_entry in page.content.decode() for one in shown.candidates] == [True, True, True]
    assert stranger_browser().get(address).status_code == 404


def test_nothing_is_listed_afterwards_while_the_talk_is_open(judged_talk) -> None:
    assert after_judgements(judged_talk) == []
