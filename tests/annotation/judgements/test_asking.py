"""Questions that name candidates or read texts, bound to what a place shows."""

import pytest

from annotation.judgements.asking import JudgementForm
from annotation.judgements.models import Judgement
from annotation.studies.queries import document_of
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
