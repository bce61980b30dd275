"""Bots take part in a study with everything that a comparison can have, from the link to the code, over HTTP."""

from typing import Any

import pytest

from annotation.assignments.models import Assignment, Presentation
from annotation.items.models import Candidate
from annotation.judgements.models import Judgement
from annotation.participation.models import Participation, TrainingAttempt
from annotation.participation.rehearsal.run import Rehearsal
from annotation.studies.queries import document_of
from tests.factories import cards, studies

BOTS, ITEMS = 4, 6
QUESTIONS: dict[str, Any] = {
    "better": {"kind": "single_choice", "text": "Which one?", "choices": ["This", "That"]},
    "parts": {"kind": "multiple_choice", "text": "Which ones?", "choices": ["One", "Two", "Three"]},
    "likes": {"kind": "graded_preference", "text": "Which is better?", "points": 5},
    "order": {"kind": "ranking", "text": "Put them in order"},
    "reason": {"kind": "long_text", "text": "Why?", "show_if": {"goal": "Truth"}},
}
PROTOCOL = {
    "arrangement": "pair",
    "before": ["goal"],
    "per_candidate": ["score"],
    "about_item": ["likes", "order", "reason"],
    "choice": {"from": "score", "tie": "ask"},
    "play_to_end": True,
}
TRAINING = {
    "training": "course",
    "slides": [{"text": "Read this."}],
    "quiz": [
        {"question": "better", "correct": ["That"]},
        {"question": "parts", "correct": [["One", "Three"]]},
    ],
}


@pytest.fixture
def web(transactional_db: None, _web: str) -> str:
    """The address of a web server on the test's database; no worker is needed."""
    return _web


def test_bots_learn_judge_skip_and_reach_the_end(web: str) -> None:
    step = {"per_person": {"min": 3, "max": 5}, "skip": {"reasons": {"hard": "Too hard"}, "max": 2}, "overlap": BOTS}
    document = cards.document(protocol=PROTOCOL, questions=QUESTIONS, step=step)
    document["steps"].insert(0, TRAINING)
    document["panel"] = {"kind": "generic", "codes": {"complete": "C-DONE"}}
    made = studies.study(document)
    for _ in range(ITEMS):
        cards.item(made)
    cards.open_all(made)
    assert made.current is not None
    journeys = list(Rehearsal(document_of(made.current), web, BOTS, seed=3, at_once=2).run())
    assert [(one.error, one.end, one.code) for one in journeys] == [("", "completed", "C-DONE")] * BOTS
    judged = Assignment.objects.filter(state="done", rehearsal=True)
    per_bot = [judged.filter(participation=person).count() for person in Participation.objects.all()]
    assert len(per_bot) == BOTS
    assert all(3 <= count <= 5 for count in per_bot)
    assert Judgement.objects.count() == sum(per_bot) == sum(one.counts["judge"] for one in journeys)
    assert TrainingAttempt.objects.filter(passed=True).count() == BOTS
    everything_was_answered()
    # places of people are untouched
    assert Assignment.objects.filter(rehearsal=False).exclude(state="open").count() == 0


def everything_was_answered() -> None:
    ids = {str(pk) for pk in Candidate.objects.values_list("pk", flat=True)}
    for judgement in Judgement.objects.all():
        assert set(judgement.answers) == {"score", "likes", "order", "reason"}
        assert set(judgement.answers["score"]) <= ids
        goal = Presentation.objects.get(assignment=judgement.assignment_id).before["goal"][""]["value"]
        assert (judgement.answers["reason"][""]["missing"] == "not_shown") == (goal != "Truth")
