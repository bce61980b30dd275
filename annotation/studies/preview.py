"""Every page of a document as an annotator would see it, with nobody there and nothing stored."""

import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from django.conf import settings
from django.contrib.staticfiles.storage import staticfiles_storage
from django.template.loader import render_to_string
from django.utils import translation
from django.utils.module_loading import import_string
from django.utils.translation import get_language_info, gettext

from annotation.common.errors import DomainError, NotFoundError
from annotation.studies.document import StudyDocument
from annotation.studies.document.comparisons import ComparisonsStep
from annotation.studies.document.steps import AnyStep, ConsentStep, ConversationsStep, DebriefStep, QuestionnaireStep
from annotation.studies.document.training import TrainingStep
from annotation.studies.forms import Asked, QuestionForm
from annotation.studies.questions.base import PREVIEW_SUBJECT
from annotation.studies.texts import in_language

# a card belongs to a higher app, so it is here by its path alone
CARDS, CARDS_COUNT = "annotation.judgements.preview.page", "annotation.judgements.preview.page_count"


@dataclass(frozen=True, slots=True)
class Place:
    """One page of one step."""

    step: str
    page: int


def places(document: StudyDocument) -> list[Place]:
    """Every page, in the order in which people meet them."""
    return [Place(step.name, page) for step in document.steps for page in range(_page_count(document, step))]


def context_of(document: StudyDocument, place: Place, language: str, *, slug: str = "") -> dict[str, Any]:
    """What the page's template needs. The caller has the language active. `slug` is the study's, where it is stored:
    then a card shows an item of its own."""
    if language not in document.languages:
        raise NotFoundError(f"{language} is no language of this study; it has {', '.join(document.languages)}.")
    order = places(document)
    if place not in order:
        raise NotFoundError(f"There is no page {place.page} of a step {place.step}.")
    step = next(step for step in document.steps if step.name == place.step)
    here = order.index(place)
    return {
        "template": f"studies/preview/{_layout(step, place.page)}.html",
        "document": document,
        "study_title": in_language(document.title, language),
        "heading": in_language(step.title or document.title, language),
        "place": place,
        "language": language,
        "languages": document.languages,
        "previous": order[here - 1] if here else None,
        "next": order[here + 1] if here + 1 < len(order) else None,
        "number": here + 1,
        "count": len(order),
        "frame": {
            "language": language,
            "dir": "rtl" if get_language_info(language.split("-", maxsplit=1)[0])["bidi"] else "ltr",
            "title": in_language(document.title, language),
        },
    } | _own(document, step, place.page, language, slug)


def write_preview(document: StudyDocument, folder: Path) -> list[Path]:
    """Write every page in every language into `folder`, with the styles beside them and an index."""
    folder.mkdir(parents=True, exist_ok=True)
    prefix = _copy_static(folder)
    written = []
    for language in document.languages:
        for place in places(document):
            with translation.override(language):
                context = context_of(document, place, language) | {"file_of": True}
                html = render_to_string(context["template"], context)
            path = folder / f"{language}-{place.step}-{place.page}.html"
            path.write_text(html.replace(f'"{prefix}', '"static/'), encoding="utf-8")
            written.append(path)
    pages = [(path.name, path.stem) for path in written]
    index = render_to_string("studies/preview/index.html", {"document": document, "pages": pages, "frame": {}})
    (folder / "index.html").write_text(index.replace(f'"{prefix}', '"static/'), encoding="utf-8")
    return written


def _copy_static(folder: Path) -> str:
    """Copy the site's static files, and give the address that pages have them under."""
    try:
        url = staticfiles_storage.url("css/tokens.css")
    except ValueError:
        raise DomainError("The static files are not collected yet; run manage.py collectstatic first.") from None
    name = url.removeprefix(settings.STATIC_URL)
    roots = [Path(settings.STATIC_ROOT), *(Path(root) for root in settings.STATICFILES_DIRS)]
    source = next(root for root in roots if (root / name).is_file())
    for part in ("css", "img", "js", "vendor"):
        if (source / part).is_dir():
            shutil.copytree(source / part, folder / "static" / part, dirs_exist_ok=True)
    return str(settings.STATIC_URL)


def _page_count(document: StudyDocument, step: AnyStep) -> int:
    if isinstance(step, QuestionnaireStep):
        return len(step.pages)
    if isinstance(step, TrainingStep):
        return len(step.slides) + bool(step.quiz)
    if isinstance(step, ComparisonsStep):
        count: int = import_string(CARDS_COUNT)(document, step)
        return count
    # the choice of a type, then the questions of a turn, then every block of questions about the whole
    return 2 + len(step.after) if isinstance(step, ConversationsStep) else 1


def _layout(step: AnyStep, page: int) -> str:
    if isinstance(step, ConversationsStep):
        return "conversations" if page == 0 else "questions"
    is_quiz = isinstance(step, TrainingStep) and page >= len(step.slides)
    return "questions" if is_quiz or isinstance(step, QuestionnaireStep) else "text"


def _own(document: StudyDocument, step: AnyStep, page: int, language: str, slug: str) -> dict[str, Any]:
    if isinstance(step, ConsentStep):
        consent = next(consent for consent in document.consent if consent.version == step.name)
        statements = [in_language(statement.text, language) for statement in consent.statements]
        return {"text": in_language(consent.text, language), "statements": statements}
    if isinstance(step, DebriefStep):
        return {"text": in_language(step.text, language)}
    if isinstance(step, TrainingStep):
        return _training(document, step, page, language)
    if isinstance(step, ComparisonsStep):
        card: dict[str, Any] = import_string(CARDS)(document, step, page, language, slug)
        return card
    if isinstance(step, QuestionnaireStep):
        shown = step.pages[page]
        own = {"heading": in_language(shown.title or step.title or document.title, language)}
        return own | _questions(document, shown.questions, language, intro=in_language(shown.intro, language))
    return _conversations(document, step, page, language)


def _training(document: StudyDocument, step: TrainingStep, page: int, language: str) -> dict[str, Any]:
    if page < len(step.slides):
        slide = step.slides[page]
        title = in_language(slide.title or step.title or document.title, language)
        return {"heading": title, "text": in_language(slide.text, language)}
    # staff see what is right; people do not
    right = [f"- {one.question}: {' / '.join(str(value) for value in one.correct)}" for one in step.quiz]
    intro = "\n".join([gettext("Right answers:"), "", *right])
    return _questions(document, tuple(one.question for one in step.quiz), language, intro=intro)


def _conversations(document: StudyDocument, step: ConversationsStep, page: int, language: str) -> dict[str, Any]:
    if page == 0:
        return {
            "intro": in_language(step.intro, language),
            "types": [
                {
                    "name": name,
                    "label": in_language(kind.label, language) or name,
                    "text": in_language(kind.text, language),
                }
                for name, kind in step.types.items()
            ],
            "types_note": in_language(step.types_note, language),
            "opening_text": in_language(step.opening_text, language),
            "placeholder": in_language(step.placeholder, language),
            "max_chars": step.max_message_chars,
        }
    if page == 1:
        protocol = document.protocols[step.opening.protocol]
        intro = in_language(protocol.instruction, language)
        own = _questions(document, protocol.per_candidate + protocol.about_item, language, intro=intro)
        return own | {"heading": gettext("About every answer")}
    block = step.after[page - 2]
    own = {"heading": in_language(block.title or step.title or document.title, language)}
    return own | _questions(document, block.questions, language)


def _questions(document: StudyDocument, names: tuple[str, ...], language: str, *, intro: str = "") -> dict[str, Any]:
    asked = [Asked(name, document.questions[name].about(PREVIEW_SUBJECT), name) for name in names]
    widgets = QuestionForm(asked, {}, seed="preview", language=language).widgets()
    return {"intro": intro, "widgets": [_always_shown(widget) for widget in widgets]}


def _always_shown(widget: dict[str, Any]) -> dict[str, Any]:
    """A preview has no earlier answers: it shows what depends on them, and says so."""
    return widget | {"shown": True, "shown_if": "" if widget["shown"] else _in_words(widget["show_if"])}


def _in_words(condition: dict[str, Any]) -> str:
    key, value = next(iter(condition.items()))
    if key in {"all", "any"}:
        between = gettext(" and ") if key == "all" else gettext(" or ")
        return between.join(_in_words(part) for part in value)
    if key == "not":
        return gettext("not (%(condition)s)") % {"condition": _in_words(value)}
    return " ".join([key, *_test_words(value)])


def _test_words(value: Any) -> Iterator[str]:
    kind, wanted = next(iter(value.items())) if isinstance(value, dict) else ("is", value)
    yield kind.replace("_", " ")
    yield ", ".join(str(part) for part in wanted) if isinstance(wanted, list) else str(wanted)
