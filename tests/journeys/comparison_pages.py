"""Every question kind of comparisons on one page, about four candidates, without a server behind it."""

from pathlib import Path
from typing import Any

from django.conf import settings
from django.template.loader import render_to_string
from django.utils import translation

from annotation.studies.document import StudyDocument
from annotation.studies.forms import Asked, QuestionForm
from annotation.studies.loading import checked
from annotation.studies.preview import context_of, places, write_preview
from annotation.studies.questions.base import Subject

TEXTS = (
    "Bees dance in the hive. The dance tells the others how far the flowers are.",
    "A bee that has found flowers waggles; its angle to the sun is the way.",
    "Nobody knows how bees find flowers.",
    "Bees 🐝 smell flowers from many kilometres away, and dances are only for fun.",
)
FOUR = Subject(
    dict(zip("ABCD", ("id-1", "id-2", "id-3", "id-4"), strict=True)),
    dict(zip("ABCD", TEXTS, strict=True)),
    "Bees live in hives. A scout looks for flowers. Back home it dances.",
)
PAIR = Subject({"A": "id-1", "B": "id-2"}, {"A": TEXTS[0], "B": TEXTS[1]}, FOUR.source)
ASPECTS = {"true": "Is it **true**?", "kind": "Is it kind?"}
ONE = Subject({"A": "id-1"}, {"A": TEXTS[3]}, FOUR.source)
ENDS = ["Not at all", "Very much"]
TREE = {
    "Knowledge": {"Nature": ["Animals", "Plants", "Weather"], "People": ["History", "Médecine", "Law"]},
    "Writing": ["Poems", "Letters", "Stories", "Reports"],
    "Chat": None,
}
QUESTIONS: dict[str, dict[str, Any]] = {
    "better": {"kind": "preference", "both_bad": True, "cannot_judge": True, "na": True},
    "much": {"kind": "graded_preference", "points": 5, "both_bad": True},
    "signed": {"kind": "graded_preference", "points": 7, "show": "numbers"},
    "two": {"kind": "best_of", "k": 2, "none": True, "required": False},
    "ends": {"kind": "best_worst"},
    "order": {"kind": "ranking", "not_rankable": True},
    "stars": {"kind": "stars", "ends": ["Bad", "Good"]},
    "safe": {"kind": "yes_no"},
    "grid": {"kind": "aspect_grid", "aspects": ASPECTS, "stars": 5, "na_cells": True},
    "points_grid": {"kind": "aspect_grid", "aspects": ASPECTS, "points": {"count": 5, "ends": ENDS}},
    "slider_grid": {"kind": "aspect_grid", "aspects": ASPECTS, "scale": {"ends": ENDS}, "na_cells": True},
    "why": {"kind": "reasons", "choices": {"clear": "It is clearer", "short": "It is shorter"}},
    "sides": {"kind": "reasons", "choices": {"clear": "It is clearer", "short": "It is shorter"}, "by_side": True},
    "sure": {"kind": "confidence"},
    "words": {"kind": "rationale", "openings": ["Answer A is better, because", "Answer B is better, because"]},
    "points": {"kind": "points", "unit": "points"},
    "marked": {"kind": "spans", "categories": {"fact": "A fact", "style": "Style"}, "polarity": True},
    "parts": {"kind": "spans", "required": False, "most": 2},
    "edited": {"kind": "edit"},
    "summary": {"kind": "extract", "order": "chosen"},
    "kept": {"kind": "extract"},
    "area": {"kind": "label_tree", "tree": TREE},
    "tied": {"kind": "rationale", "draft": "They say the same.", "show_if": {"better": "tie"}},
}
TITLES = {"order": "Put the answers in order", "better": "Which is better?", "tied": "Why are they equal?"}


# what the server refuses, in fields of its own and in fields that stand in rows
REFUSED = {
    "order-A": ["1"],
    "order-B": ["2"],
    "ends-best": ["A"],
    "grid-true-A": ["9"],
    "marked-1-quote": ["smell roses"],
    "marked-2-quote": ["flowers"],
    "summary-0": ["1"],
    "summary-1": ["1"],
    "points-A": ["100"],
    "points-B": ["ten"],
    "words": ["it is clearer"],
}


def subject_of(kind: str) -> Subject:
    return {"graded_preference": PAIR, "edit": ONE}.get(kind, FOUR)


def document(language: str = "en") -> StudyDocument:
    """Every question in its library, and one page that gives the frame."""
    questions = {name: {"text": TITLES.get(name, f"About {name}")} | own for name, own in QUESTIONS.items()}
    return checked(
        {
            "study": "kinds",
            "title": "Kinds of comparisons",
            "languages": [language],
            "questions": questions,
            "steps": [{"questionnaire": "frame", "pages": [["safe"]]}],
        }
    )


def write_pages(folder: Path, language: str = "en") -> None:
    """The preview with its styles and scripts; `all.html` with everything about four candidates; `refused.html`, which
    is the same after mistakes."""
    study = document(language)
    write_preview(study, folder)
    asked = [
        Asked(name, question.about(ONE if name == "marked" else subject_of(question.kind)), name)
        for name, question in study.questions.items()
    ]
    with translation.override(language):
        context = context_of(study, places(study)[0], language) | {"file_of": True}
        for name, fields in {"all": {}, "refused": REFUSED}.items():
            form = QuestionForm(asked, fields, seed="1", language=language)
            if fields:
                form.is_valid()
            html = render_to_string("studies/preview/questions.html", context | {"widgets": form.widgets()})
            page = html.replace(f'"{settings.STATIC_URL}', '"static/')
            (folder / f"{name}.html").write_text(page, encoding="utf-8")
