"""Cards in the preview of a draft: a real item of the step's set where there is one, a made-up one else. Nothing is
leased and nothing stored."""

from collections.abc import Mapping
from typing import Any

from django.urls import reverse
from django.utils.translation import gettext as _

from annotation.items.models import Candidate, Item, MediaFile
from annotation.judgements.content import Shown, context_of, media_of, parts_of, title_of
from annotation.judgements.pages import asked_about, guidelines
from annotation.studies.document import StudyDocument
from annotation.studies.document.comparisons import ComparisonsStep
from annotation.studies.document.protocols import Protocol
from annotation.studies.forms import Asked, QuestionForm
from annotation.studies.questions.base import Subject
from annotation.studies.questions.candidates import SLOT
from annotation.studies.texts import in_language

# how many candidates a made-up item has
MADE_UP = {"single": 1, "pair": 2, "sets": 2, "list": 4, "grid": 4}
MOST_CANDIDATES = 12
Contents = list[tuple[Mapping[str, Any], Mapping[str, Any]]]


def page_count(document: StudyDocument, step: ComparisonsStep) -> int:
    """The way in, then for each protocol what is asked before, if anything, and the card."""
    return len(_pages(document, step))


def page(document: StudyDocument, step: ComparisonsStep, number: int, language: str, slug: str) -> dict[str, Any]:
    """What the template of one page needs, and its name. `slug` is the study's, where it is stored already."""
    name, part = _pages(document, step)[number]
    title = in_language(step.title, language)
    if part == "start":
        most = step.per_person.max
        facts = {"intro": in_language(step.intro, language), "least": step.per_person.min, "most": most}
        return facts | {"template": "judgements/preview_start.html", "heading": title or _("Compare answers")}
    protocol = document.protocols[name]
    given, contents = _item(step, protocol, slug)
    media = media_of((given, *(part for pair in contents for part in pair)), _for_staff) if slug else {}
    context = context_of(given, "context", media)
    if part == "before":
        asked = [Asked(one, document.questions[one], one) for one in protocol.before]
        own = {"about": context, "guidelines": guidelines(protocol, context, language)}
        return own | {"template": "judgements/preview_before.html", "widgets": _widgets(asked, language)}
    slots = {chr(ord("A") + index): pair for index, pair in enumerate(contents)}
    texts = {slot: str(content.get("text") or "") for slot, (content, _context) in slots.items()}
    source = "\n\n".join(one.text for one in context.documents)
    widgets = _widgets(_asked(document, protocol, texts, source), language)
    called = in_language(protocol.label, language)
    candidates = [
        Shown(
            slot=slot,
            title=title_of(slot, content, protocol.arrangement, called.replace(SLOT, slot)),
            parts=parts_of(content, slot, media),
            context=context_of(own, f"{slot}-own", media),
            questions=tuple(widget for widget in widgets if widget["target"] == slot),
        )
        for slot, (content, own) in slots.items()
    ]
    card = asked_about(protocol, widgets, context, candidates, language)
    # the card's own heading stands in it
    return card | {"template": "judgements/preview.html", "card_heading": card["heading"], "step_title": title}


def _for_staff(file: MediaFile) -> str:
    """Staff see files by the admin's rules."""
    return reverse("admin:items_media", args=[file.pk])


def _pages(document: StudyDocument, step: ComparisonsStep) -> list[tuple[str, str]]:
    pages = [("", "start")]
    for name in step.protocol:
        pages += [(name, "before")] if document.protocols[name].before else []
        pages.append((name, "card"))
    return pages


def _asked(document: StudyDocument, protocol: Protocol, texts: Mapping[str, str], source: str) -> list[Asked]:
    """Every question, those for some strata only included."""
    asked = [
        Asked(name, document.questions[name].about(Subject({slot: slot}, {slot: text}, source)), f"{slot}-{name}", slot)
        for slot, text in texts.items()
        for name in protocol.per_candidate
    ]
    whole = Subject({slot: slot for slot in texts}, texts, source)
    return asked + [Asked(name, document.questions[name].about(whole), name) for name in protocol.about_item]


def _widgets(asked: list[Asked], language: str) -> list[dict[str, Any]]:
    """A preview has no earlier answers: it shows what depends on them, too."""
    return [widget | {"shown": True} for widget in QuestionForm(asked, {}, "preview", language).widgets()]


def _item(step: ComparisonsStep, protocol: Protocol, slug: str) -> tuple[Mapping[str, Any], Contents]:
    """Context, and content with own context of each candidate."""
    items = Item.objects.filter(item_set__study__slug=slug, item_set__name=step.items) if slug else Item.objects.none()
    for real in items.order_by("ordinal")[:1]:
        candidates = Candidate.objects.filter(item=real).order_by("position")[:MOST_CANDIDATES]
        contents: Contents = [(one.content, one.context) for one in candidates]
        if contents:
            return real.context, contents
    return _made_up(protocol.arrangement)


def _made_up(arrangement: str) -> tuple[Mapping[str, Any], Contents]:
    prompt = {"messages": [{"role": "user", "content": _("Here stands what the item is about, such as a prompt.")}]}
    content: dict[str, Any] = {"text": _("Here stands one of the things that are judged.")}
    if arrangement == "sets":
        content = {"items": [_("one short text"), _("another"), _("a third one")]}
    if arrangement == "grid":
        content = {"image": {"media": "", "alt": ""}}
    return prompt, [(content, {})] * MADE_UP[arrangement]
