"""What the pages of a step of comparisons show, as plain values for templates."""

import math
import uuid
from collections.abc import Mapping
from datetime import datetime
from typing import Any

from annotation.assignments.models import Assignment
from annotation.assignments.queries import Tally, enough_judged, tally_of
from annotation.items.models import Candidate
from annotation.judgements.access import Here
from annotation.judgements.asking import JudgementForm, asked_of, before_form, none_offered
from annotation.judgements.content import (
    Context,
    Shown,
    all_parts,
    context_of,
    media_for,
    parts_of,
    played_names,
    title_of,
)
from annotation.judgements.forms import PLAYED_FIELD, without_frame
from annotation.judgements.queries import last_judgement, wanted_count
from annotation.judgements.rules import may_change
from annotation.participation.queries import draft_fields
from annotation.participation.words import in_words
from annotation.studies.document import StudyDocument
from annotation.studies.document.protocols import Protocol
from annotation.studies.forms import QuestionForm
from annotation.studies.queries import document_of
from annotation.studies.questions.base import Fields, first
from annotation.studies.texts import in_language

# a lease that is renewed so often that one lost message does no harm
BEATS_PER_LEASE, SLOWEST_BEAT_S = 4, 60
# a short instruction is the card's heading itself
LONGEST_HEADING = 90
# from so many questions about the whole on, they stand beside the candidates instead of below them
MANY_QUESTIONS = 3


def head(here: Here, now: datetime) -> dict[str, Any]:
    """What stands above every page of the step: how far it is, and what was stored last."""
    language = here.participation.language
    tally, last = tally_of(here.participation, here.step.name), last_judgement(here.participation, here.step.name)
    done = tally.done
    wanted = wanted_count(here.participation, here.step)
    return {
        "step": here.step,
        "step_title": in_language(here.step.title, language),
        "intro": in_language(here.step.intro, language),
        "minutes": math.ceil(here.step.minutes),
        "trusted": here.trusted,
        "judged": done,
        "least": here.step.per_person.min,
        "number": done + 1,
        "count": max(wanted, done),
        # gold and planned repeats may come on top of what the set gives
        "number_of": max(wanted, done + 1),
        "enough": enough_judged(here.step, tally),
        "may_stop": done > 0 and enough_judged(here.step, tally),
        "receipt": last.receipt if last else "",
        "changeable": last.assignment_id if last and may_change(last, now) else None,
        "undo_left_s": _seconds_left(last.submitted_at, here.step.undo, now) if last else 0,
        "skip": _skip(here, tally),
    }


def card_page(
    here: Here,
    place: Assignment,
    now: datetime,
    *,
    form: JudgementForm | None = None,
    more_errors: Mapping[str, str] | None = None,
    changing: bool = False,
) -> dict[str, Any]:
    """The card of a place: context, candidates, questions. `form` is one that was refused; `changing` shows what was
    answered before, under a key of its own."""
    document = document_of(place.version)
    protocol = document.protocols[place.protocol]
    if form is None:
        kept = draft_fields(here.participation, judge_draft(here, place)) if here.trusted else {}
        fields = without_frame(kept) if changing else kept
        form = JudgementForm(place, place.presentation, document, fields, here.participation.language)
    widgets, errors = form.questions.widgets(), dict(more_errors or {})
    context, candidates = _shown(here, place, protocol, form, widgets)
    language = here.participation.language
    played = _to_play(protocol, context, candidates, form.fields, errors)
    return head(here, now) | {
        **asked_about(protocol, widgets, context, candidates, language),
        "place": place,
        "changing": changing,
        "draft_place": judge_draft(here, place),
        "key": first(form.fields, "key") or uuid.uuid4().hex,
        "source": "\n\n".join(one.text for one in context.documents) if here.participation.rehearsal else "",
        "before": _before_in_words(here, place, document),
        "tie_picked": first(form.fields, "chosen") == "tie",
        "none_reason": first(form.fields, "none-reason"),
        "ask": form.ask,
        "confirm_equal": bool(form.ask and form.ask.kind == "all_equal") or first(form.fields, "confirm_equal"),
        "played": played,
        "errors": _summary(form, widgets, candidates) + [(field, "", text) for field, text in errors.items()],
        **_beats(here),
    }


def asked_about(
    protocol: Protocol, widgets: list[dict[str, Any]], context: Context, candidates: list[Shown], language: str
) -> dict[str, Any]:
    """What a card shows of its protocol, whoever looks at it."""
    instruction = in_language(protocol.instruction, language)
    is_heading = len(instruction) <= LONGEST_HEADING and "\n" not in instruction
    about_item = [widget for widget in widgets if not widget["target"]]
    return {
        "heading": instruction if is_heading else "",
        "instruction": "" if is_heading else instruction,
        "question_text": _only_question(widgets, protocol),
        "arrangement": protocol.arrangement,
        "about": context,
        "guidelines": guidelines(protocol, context, language),
        "answers": candidates,
        "has_images": any(part.kind == "image" for one in candidates for part in one.parts),
        "about_item": about_item,
        "has_many": len(about_item) >= MANY_QUESTIONS,
        "pick": protocol.choice is not None and protocol.choice.source == "pick",
        "tie_allowed": protocol.choice is not None and protocol.choice.tie == "explicit",
        "none": none_offered(protocol, language),
    }


def guidelines(protocol: Protocol, context: Context, language: str) -> list[str]:
    """The guidance for the item's place in the taxonomy, from the general to the special."""
    fitting = [one for one in protocol.guidelines if context.path[: len(one.path)] == one.path]
    return [in_language(one.text, language) for one in sorted(fitting, key=lambda one: len(one.path))]


def before_page(here: Here, place: Assignment, now: datetime, *, form: QuestionForm | None = None) -> dict[str, Any]:
    """What is asked before the candidates show, with the context that may be read for it."""
    document = document_of(place.version)
    protocol = document.protocols[place.protocol]
    language = here.participation.language
    if form is None:
        fields = draft_fields(here.participation, before_draft(here, place)) if here.trusted else {}
        form = before_form(document, place, place.presentation, fields, language)
    media = media_for(place.item, (), here.participation.pk)
    context, widgets = context_of(place.item.context, "context", media), form.widgets()
    return head(here, now) | {
        "place": place,
        "draft_place": before_draft(here, place),
        "key": first(form.fields, "key") or uuid.uuid4().hex,
        "about": context,
        "guidelines": guidelines(protocol, context, language),
        "widgets": widgets,
        "errors": [(field, q["text"], text) for q in widgets for field, text in q["errors"].items()],
        **_beats(here),
    }


def must_play(here: Here, place: Assignment) -> list[str]:
    """The sounds and films of a place that have to be played to their end."""
    protocol = document_of(place.version).protocols[place.protocol]
    if not protocol.play_to_end:
        return []
    media = media_for(place.item, candidates := list(place.item.candidates.all()), here.participation.pk)
    by_id = {str(one.pk): one for one in candidates}
    shown = [_bare(slot, by_id[pk], protocol, media) for slot, pk in place.presentation.slots().items()]
    return played_names(all_parts(context_of(place.item.context, "context", media), shown))


def pictures(place: Assignment) -> list[str]:
    """The addresses of the pictures of a place."""
    media = media_for(place.item, place.item.candidates.all(), place.participation_id)
    return [one.address for one in media.values() if one.type.startswith("image/")]


def judge_draft(here: Here, place: Assignment) -> str:
    return f"{here.step.name}/judge/{place.pk}"


def before_draft(here: Here, place: Assignment) -> str:
    return f"{here.step.name}/before/{place.pk}"


# ---- parts of the above ----------------------------------------------------------------------------------------------
def _shown(
    here: Here, place: Assignment, protocol: Protocol, form: JudgementForm, widgets: list[dict[str, Any]]
) -> tuple[Context, list[Shown]]:
    candidates = list(place.item.candidates.all())
    media = media_for(place.item, candidates, here.participation.pk)
    by_id = {str(one.pk): one for one in candidates}
    tied = form.ask.slots if form.ask and form.ask.kind == "tie" else ()
    labels = dict(zip(form.slots, place.presentation.labels, strict=False))
    shown = [
        _bare(
            slot,
            by_id[pk],
            protocol,
            media,
            label=str(labels.get(slot) or ""),
            stored=by_id[pk].text if here.participation.rehearsal else "",
            questions=tuple(widget for widget in widgets if widget["target"] == pk),
            picked=first(form.fields, "chosen") == slot,
            tied=slot in tied,
        )
        for slot, pk in form.slots.items()
    ]
    return context_of(place.item.context, "context", media), shown


def _bare(
    slot: str, candidate: Candidate, protocol: Protocol, media: Mapping[str, Any], *, label: str = "", **more: Any
) -> Shown:
    return Shown(
        slot=slot,
        title=title_of(slot, candidate.content, protocol.arrangement, label),
        parts=parts_of(candidate.content, slot, media),
        context=context_of(candidate.context, f"{slot}-own", media),
        **more,
    )


def _before_in_words(here: Here, place: Assignment, document: StudyDocument) -> list[tuple[str, str]]:
    """What the person said before the candidates showed: it is judged under that. A session that knows them by a panel
    id alone is not shown what they wrote."""
    if not here.trusted:
        return []
    language = here.participation.language
    names = asked_of(document, place).before
    answers = [(name, place.presentation.before[name][""]) for name in names if name in place.presentation.before]
    said = [
        (in_language(document.questions[name].text, language), in_words(document.questions[name], stored, language))
        for name, stored in answers
    ]
    return [(question, words) for question, words in said if words]


def _only_question(widgets: list[dict[str, Any]], protocol: Protocol) -> str:
    """Where every candidate has the same one question, its text stands once above them all."""
    if len(protocol.per_candidate) != 1 or protocol.arrangement == "single":
        return ""
    return next((str(widget["text"]) for widget in widgets if widget["target"]), "")


def _to_play(
    protocol: Protocol, context: Context, candidates: list[Shown], fields: Fields, errors: Mapping[str, str]
) -> dict[str, dict[str, Any]]:
    """Part → what its tick needs, for each sound or film that must be played to its end."""
    if not protocol.play_to_end:
        return {}
    return {
        name: {
            "field": f"{PLAYED_FIELD}{name}",
            "ticked": bool(fields.get(f"{PLAYED_FIELD}{name}")),
            "error": errors.get(f"{PLAYED_FIELD}{name}", ""),
        }
        for name in played_names(all_parts(context, candidates))
    }


def _beats(here: Here) -> dict[str, Any]:
    return {"beat_s": max(1, min(SLOWEST_BEAT_S, round(here.step.lease * 60 / BEATS_PER_LEASE)))}


def _skip(here: Here, tally: Tally) -> dict[str, Any] | None:
    """How an item can be given back unjudged; nothing where the document does not let it, or the number is used up."""
    skip, language = here.step.skip, here.participation.language
    left = None if skip is None or skip.max is None else skip.max - tally.skipped
    if skip is None or (left is not None and left <= 0):
        return None
    return {"reasons": [(name, in_language(text, language)) for name, text in skip.reasons.items()], "left": left}


def _summary(form: JudgementForm, widgets: list[dict[str, Any]], candidates: list[Shown]) -> list[tuple[str, str, str]]:
    """The lines of the summary: field, what it is about, what is wrong. A tie is a question and no mistake; it stands
    where the answers end."""
    if form.ask is not None and form.ask.kind == "tie":
        return []
    titles = {form.slots[one.slot]: one.title for one in candidates}
    lines = []
    for widget in widgets:
        about = titles.get(widget["target"]) or str(widget["text"])
        lines += [(field, about, text) for field, text in widget["errors"].items()]
    return lines + [(field, "", text) for field, text in form.choice_errors.items()]


def _seconds_left(since: datetime, seconds: float, now: datetime) -> int:
    return max(0, math.ceil(seconds - (now - since).total_seconds()))
