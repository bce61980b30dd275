"""Training: slides, the quiz, its marks, tries, and what follows from them."""

import re
from typing import Any

import pytest
from bs4 import BeautifulSoup
from django.test import Client

from annotation.participation.models import PageVisit, Participation, TrainingAttempt
from annotation.participation.training import is_right
from tests.factories import cards
from tests.factories.participations import browser, participation
from tests.factories.studies import small, study

pytestmark = pytest.mark.django_db
QUIZ = [
    {"question": "better", "correct": ["The shorter one"], "right": "Just so.", "wrong": "Length is no virtue."},
    {"question": "both", "correct": [["Truth", "Care"]], "wrong": "Two of them."},
]


def learner(**step: Any) -> Participation:
    """A person at the beginning of a training step."""
    document = small(consent=[], languages=["en"], title="Learn")
    document["questions"] |= {
        "better": {
            "kind": "single_choice",
            "text": "Which is better?",
            "choices": ["The longer one", "The shorter one"],
        },
        "both": {"kind": "multiple_choice", "text": "What counts?", "choices": ["Truth", "Length", "Care"]},
    }
    slides = [{"title": "One", "text": "Read **this**."}, {"text": "And that."}]
    training = {"training": "course", "title": "Course", "slides": slides, "quiz": QUIZ} | step
    document["steps"] = [training, *document["steps"][1:]]
    return participation(study(document))


def page(person: Participation, number: int | str) -> str:
    return f"/p/{person.pk}/training/course/{number}/"


def soup(response: Any) -> Any:
    return BeautifulSoup(response.content, "html.parser")


def at_the_quiz(person: Participation) -> Client:
    client = browser(person)
    for number in (1, 2):
        client.post(page(person, number), {"key": cards.key(), "timers": '{"submit_ms": 900}'})
    return client


def answer(client: Client, person: Participation, better: str = "The shorter one", *both: str, key: str = "") -> Any:
    posted = {"key": key or cards.key(), "better": better, "both": list(both) or ["Care", "Truth"]}
    return client.post(page(person, 3), posted)


def test_slides_are_read_one_after_another_and_can_be_read_again() -> None:
    person = learner()
    client = browser(person)
    assert client.get(f"/p/{person.pk}/", follow=True).request["PATH_INFO"] == page(person, 1)
    assert client.get(page(person, 2)).status_code == 302
    assert client.post(page(person, 1), {"key": cards.key()}).headers["Location"] == page(person, 2)
    assert soup(client.get(page(person, 1))).h1.text == "One"
    client.post(page(person, 2), {"key": cards.key(), "timers": '{"submit_ms": 4000}'})
    assert list(PageVisit.objects.order_by("page").values_list("step", "page", "submit_ms")) == [
        ("course", 0, None),
        ("course", 1, 4000),
    ]


def test_who_answers_rightly_is_qualified_told_so_and_goes_on() -> None:
    person = learner()
    client = at_the_quiz(person)
    answer(client, person)
    result = soup(client.get(page(person, 3)))
    assert [one.text.strip().split()[-1] for one in result.select(".quiz-verdict")] == ["Right", "Right"]
    assert result.select_one(".quiz-answer .prose").text.strip() == "Just so."
    person.refresh_from_db()
    assert (person.qualified, person.step) == ({"course": True}, 0)
    client.post(page(person, "done"))
    person.refresh_from_db()
    assert (person.step, person.state) == (1, "active")


def test_a_wrong_answer_is_explained_and_another_try_is_offered() -> None:
    person = learner()
    client = at_the_quiz(person)
    answer(client, person, "The longer one")
    result = soup(client.get(page(person, 3)))
    assert result.select_one(".quiz-answer .prose").text.strip() == "Length is no virtue."
    assert result.select_one("form[data-form=again]") is not None
    assert client.post(page(person, "done")).status_code == 409
    assert soup(client.get(page(person, 3), {"again": "1"})).select_one("form[data-form=training]") is not None
    answer(client, person)
    tries = TrainingAttempt.objects.order_by("number")
    assert [(one.number, one.score, one.passed) for one in tries] == [(1, 0.5, False), (2, 1.0, True)]
    assert tries[0].right == {"better": False, "both": True}


def test_the_pass_mark_decides() -> None:
    person = learner(pass_mark=0.5)
    client = at_the_quiz(person)
    answer(client, person, "The longer one")
    assert TrainingAttempt.objects.get().passed is True


def test_who_fails_every_try_is_screened_out() -> None:
    person = learner(attempts=2)
    client = at_the_quiz(person)
    answer(client, person, "The longer one")
    assert answer(client, person, "The longer one").headers["Location"] == f"/p/{person.pk}/end/"
    person.refresh_from_db()
    assert (person.state, person.qualified) == ("screened_out", {"course": False})
    assert "C-OUT" in client.get(f"/p/{person.pk}/end/").content.decode()


def test_or_goes_on_marked_as_not_qualified() -> None:
    person = learner(attempts=1, on_fail="go_on")
    client = at_the_quiz(person)
    answer(client, person, "The longer one")
    assert answer(client, person).status_code == 409
    client.post(page(person, "done"))
    person.refresh_from_db()
    assert (person.state, person.step, person.qualified) == ("active", 1, {"course": False})
    assert TrainingAttempt.objects.count() == 1


def test_the_same_form_twice_is_one_try_and_another_body_under_its_key_is_refused() -> None:
    person = learner()
    client = at_the_quiz(person)
    same = cards.key()
    codes = [answer(client, person, better, key=same).status_code for better in ("The longer one",) * 2]
    codes.append(answer(client, person, key=same).status_code)
    assert (codes, TrainingAttempt.objects.count()) == ([302, 302, 409], 1)


def test_what_is_missing_is_said_and_costs_no_try() -> None:
    person = learner()
    client = at_the_quiz(person)
    refused = client.post(page(person, 3), {"key": cards.key(), "better": "The shorter one"})
    assert (refused.status_code, TrainingAttempt.objects.count()) == (422, 0)
    assert re.search(r'href="#both', refused.content.decode())


def test_without_a_quiz_the_last_slide_ends_the_step() -> None:
    person = learner(quiz=[])
    at_the_quiz(person)
    person.refresh_from_db()
    assert (person.step, TrainingAttempt.objects.count()) == (1, 0)


def test_a_session_that_knows_a_panel_id_alone_sees_no_answers() -> None:
    person = learner()
    answer(at_the_quiz(person), person, "The longer one")
    shown = browser(person, trust="panel").get(page(person, 3)).content.decode()
    assert ("The longer one" in shown, "Length is no virtue." in shown) == (False, True)


@pytest.mark.parametrize(
    ("value", "correct", "right"),
    [
        ("a", ("a", "b"), True),
        (3, ("3",), True),
        (["b", "a"], (["a", "b"],), True),
        (["a"], (["a", "b"],), False),
        (None, (None,), False),
        (True, (True,), True),
        (True, ("True",), False),
    ],
)
def test_an_answer_is_right_when_it_is_one_of_those_listed(value: Any, correct: tuple[Any, ...], right: bool) -> None:
    assert is_right(value, correct) is right
