"""Questions that name candidates or read texts, bound to what a place shows."""

import random

import pytest

from annotation.judgements.asking import JudgementForm
from annotation.judgements.models import Judgement
from annotation.participation.rehearsal.pages import read_page
from annotation.studies.queries import document_of
from annotation.studies.questions.base import Temperament
from tests.factories import cards, participations, studies

pytestmark = pytest.mark.django_db

QUESTIONS = {
    "better": {"kind": "graded_preference", "text": "Which is better?"},
    "order": {"kind": "ranking", "text": "In which order?"},
    "edited": {"kind": "edit", "text": "Make it better."},
    "reason": {"kind": "rationale", "text": "Why?"},
    "kept": {"kind": "extract", "text": "What matters?"},
}
PROTOCOL = {"choice": None, "per_candidate": ["edited"], "about_item": ["better", "order", "reason", "kept"]}


def test_answers_hold_candidates_by_id_and_texts_by_their_place_in_what_is_stored() -> None:
    made = studies.study(cards.document(questions=QUESTIONS, protocol=PROTOCOL))
    documents = [{"title": "", "text": "It rained. It stopped."}, {"title": "", "text": "It snowed."}]
    cards.item(made, documents=documents, drafts={"reason": "It is shorter."})
    cards.open_all(made)
    place = cards.held(participations.participation(made))
    ids = place.presentation.slots()
    shown = {slot: place.item.candidates.get(pk=pk).text for slot, pk in ids.items()}
    fields = {
        "A-edited": shown["A"],
        "B-edited": f"{shown['B']} More.",
        "better": "-2",
        "order-A": "1",
        "order-B": "2",
        "reason": "It is shorter.",
        "kept": "2",
    }
    cards.judged(place, **fields)
    answers = Judgement.objects.get().answers
    assert {name: answers[name][""]["value"] for name in PROTOCOL["about_item"]} == {
        "better": {"toward": ids["A"], "strength": 2},
        "order": {"ranks": {ids["A"]: 1, ids["B"]: 2}, "not_rankable": []},
        "reason": "It is shorter.",
        "kept": [{"start": 24, "end": 34, "text": "It snowed."}],
    }
    assert answers["reason"][""]["details"] == {"draft": "accepted", "distance": 0}
    assert {slot: answers["edited"][pk]["details"]["distance"] for slot, pk in ids.items()} == {"A": 0, "B": 6}


def test_form_shows_the_texts_and_the_draft_that_the_item_has() -> None:
    made = studies.study(cards.document(questions=QUESTIONS, protocol=PROTOCOL))
    cards.item(made, drafts={"reason": "It is shorter."})
    cards.open_all(made)
    place = cards.held(participations.participation(made))
    form = JudgementForm(place, place.presentation, document_of(made.current), {}, "en")
    widgets = {widget["prefix"]: widget for widget in form.questions.widgets()}
    texts = {str(one.pk): one.text for one in place.item.candidates.all()}
    assert [widgets[f"{slot}-edited"]["value"] for slot in "AB"] == [
        texts[place.presentation.slots()[slot]] for slot in "AB"
    ]
    assert widgets["reason"]["value"] == "It is shorter."


EVERY_KIND = {
    "preferred": {"kind": "preference", "both_bad": True, "cannot_judge": True},
    "graded": {"kind": "graded_preference", "points": 7},
    "two": {"kind": "best_of"},
    "ends": {"kind": "best_worst"},
    "order": {"kind": "ranking", "not_rankable": True},
    "grid": {"kind": "aspect_grid", "aspects": ["fun", "true"], "stars": 5, "na_cells": True},
    "shared": {"kind": "points"},
    "reasons": {"kind": "reasons", "choices": ["clear", "short"], "by_side": True},
    "sure": {"kind": "confidence"},
    "reason": {"kind": "rationale", "openings": ["Answer A is", "Answer B is"]},
    "kept": {"kind": "extract", "order": "chosen"},
    "marks": {"kind": "spans", "categories": ["fact", "style"], "polarity": True},
}
EACH_KIND = {
    "stars": {"kind": "stars"},
    "safe": {"kind": "yes_no"},
    "edited": {"kind": "edit"},
    "spots": {"kind": "spans"},
    "area": {"kind": "label_tree", "tree": {"a": ["b", "c"], "d": None}},
}


@pytest.mark.parametrize("seed", range(3))
def test_card_with_every_kind_is_shown_and_a_bots_answers_to_it_are_stored(seed: int) -> None:
    questions = {name: {"text": "Well?"} | own for name, own in (EVERY_KIND | EACH_KIND).items()}
    protocol = {"choice": None, "per_candidate": list(EACH_KIND), "about_item": list(EVERY_KIND)}
    made = studies.study(cards.document(questions=questions, protocol=protocol))
    cards.item(made, documents=[{"title": "", "text": "It rained. It stopped. It snowed."}])
    cards.open_all(made)
    person = participations.participation(made)
    client = participations.browser(person)
    address = f"/p/{person.pk}/judge/cards/"
    client.post(f"{address}begin/")
    place = cards.held(person)
    html = client.get(address).content.decode()
    form = next(one for one in read_page("http://testserver/", html).forms.values() if one.questions)
    asked = JudgementForm(place, place.presentation, document_of(made.current), {}, "en").questions.asked
    assert sorted(form.questions) == sorted(one.prefix for one in asked)
    rng = random.Random(seed)
    answers = dict(form.values)
    for one in asked:
        answers |= one.question.bot_fields(one.prefix, None, rng, Temperament())
    page = client.post(f"{address}{place.pk}/", answers, headers={"X-PV-Form": "1"})
    assert "data-error-summary" not in page.content.decode()
    stored = Judgement.objects.get().answers
    assert {name: sorted(targets) for name, targets in stored.items()} == {
        **{name: [""] for name in EVERY_KIND},
        **{name: sorted(place.presentation.slots().values()) for name in EACH_KIND},
    }
    assert {about["missing"] for targets in stored.values() for about in targets.values()} == {""}
