"""Studies for tests: a document as a dictionary, published as version 1."""

import copy
from typing import Any

from django.utils import timezone

from annotation.studies.document import StudyDocument
from annotation.studies.models import Study, StudyVersion

# the smallest study with every step that needs no models
SMALL: dict[str, Any] = {
    "study": "small",
    "title": {"en": "A small study", "ar": "دراسة صغيرة"},
    "summary": "What you think about three things.",
    "languages": ["en", "ar"],
    "minutes": 6,
    "contact": "team@example.org",
    "consent": [
        {
            "version": "c1",
            "text": "We ask you **three things**.",
            "statements": [
                {"name": "agree", "text": "I agree to take part"},
                {"name": "adult", "text": "I am 18 or over"},
                {"name": "reuse", "text": "Others may use my answers", "required": False},
            ],
        }
    ],
    "questions": {
        "about": {"kind": "long_text", "text": "What matters to you?"},
        "more": {"kind": "long_text", "text": "And what else?", "required": False},
        "warmth": {"kind": "slider", "text": "How warm is it?", "na": True, "prefer_not": True},
        "why_cold": {
            "kind": "long_text",
            "text": "Why so cold?",
            "required": False,
            "show_if": {"warmth": {"at_most": 10}},
        },
    },
    "steps": [
        {"consent": "c1", "minutes": 1},
        {"questionnaire": "survey", "pages": [["about", "more"], ["warmth"], ["why_cold"]], "minutes": 4},
        {"debrief": {"text": "Thank you so much."}},
    ],
    "panel": {
        "kind": "prolific",
        "codes": {
            "complete": "C-DONE",
            "screened_out": "C-OUT",
            "full": "C-FULL",
            "no_consent": "C-NO",
            "timed_out": "C-LATE",
        },
        "return_url": "https://panel.example/complete?cc={code}",
    },
    "retention": {"withdrawal_window_days": 14},
}


def small(**changes: Any) -> dict[str, Any]:
    """A copy of the small document with other values for some of its top keys."""
    return copy.deepcopy(SMALL) | changes


def study(document: dict[str, Any] | None = None, *, state: str = Study.State.OPEN) -> Study:
    """A study with `document` published as its current version."""
    parsed = StudyDocument.model_validate(document or small())
    made = Study.objects.create(slug=parsed.study, title=parsed.study, state=state)
    made.current = StudyVersion.objects.create(
        study=made, number=1, document=parsed.canonical(), sha256=parsed.sha256(), published_at=timezone.now()
    )
    made.save()
    return made
