"""What the pages of a talk show, as plain values for templates. Slot letters, never a model or a database order."""

import uuid
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from django.utils.translation import gettext as _

from annotation.conversations.access import Here
from annotation.conversations.line import InLine
from annotation.conversations.models import Conversation, Turn
from annotation.conversations.queries import (
    candidate_texts,
    chosen_path,
    finished_count,
    newest,
    next_after,
    opening_text,
    rules_for,
    turns_of,
    type_counts,
)
from annotation.conversations.rules import led_nowhere, may_finish, may_write, next_number
from annotation.judgements.asking import JudgementForm, after_block, none_offered
from annotation.judgements.models import Judgement
from annotation.participation.queries import draft_fields
from annotation.studies.document.protocols import Protocol
from annotation.studies.queries import document_of
from annotation.studies.questions.base import Fields, first
from annotation.studies.texts import in_language

LONGEST_HEADING = 90


@dataclass(frozen=True, slots=True)
class Exchange:
    """A turn that was judged: the message, the answer that went on, its letter, and the receipt."""

    message: str
    answer: str
    slot: str
    receipt: str


@dataclass(frozen=True, slots=True)
class AnswerCard:
    """One answer under its letter."""

    slot: str
    text: str = ""
    questions: list[dict[str, Any]] = field(default_factory=list)
    picked: bool = False
    tied: bool = False
    chosen: bool = False


def talk_head(place: Here, conversation: Conversation | None) -> dict[str, Any]:
    """What stands above every page of the step."""
    language = place.participation.language
    kind = place.step.types.get(conversation.type) if conversation else None
    return {
        "step": place.step,
        "conversation": conversation,
        "number": finished_count(place.participation, place.step.name) + 1,
        "count": place.step.count,
        "type_label": in_language(kind.label, language) if kind else "",
        "step_title": in_language(place.step.title, language),
        "trusted": place.trusted,
    }


def types_page(place: Here, posted: str = "", error: str = "") -> dict[str, Any]:
    """The choice of a type, with how many of each were finished."""
    language = place.participation.language
    counts = type_counts(place.participation, place.step)
    intro = in_language(place.step.intro, language).strip()
    # one short line of introduction is the page's heading itself
    is_heading = 0 < len(intro) <= LONGEST_HEADING and "\n" not in intro
    return talk_head(place, None) | {
        "types": [
            {
                "name": count.name,
                "label": in_language(place.step.types[count.name].label, language),
                "text": in_language(place.step.types[count.name].text, language),
                "finished": count.finished,
                "wanted": count.wanted,
                "full": count.wanted is not None and count.finished >= count.wanted,
                "allowed": count.allowed,
                "checked": count.name == posted,
            }
            for count in counts
        ],
        "heading": intro if is_heading else "",
        "intro": "" if is_heading else intro,
        "note": in_language(place.step.types_note, language),
        "errors": [("type", "", error)] if error else [],
        "type_error": error,
    }


def waiting_page(place: Here, line: InLine) -> dict[str, Any]:
    """Waiting for room: where the person stands, and the type that they have chosen."""
    chosen = place.participation.admissions.exclude(state="over").first()
    return talk_head(place, None) | {
        "line": line,
        "waits": not line.admitted,
        "chosen": chosen.type if chosen else "",
    }


def talk_page(
    place: Here,
    conversation: Conversation,
    *,
    turns: Sequence[Turn] | None = None,
    sent: Fields | None = None,
    form: JudgementForm | None = None,
    error: str = "",
) -> dict[str, Any]:
    """The talk: what was said, and what comes next. `turns` are read where they are not known. `sent` and `error` are
    those of a message that was refused, `form` that of a judgement."""
    turns = turns_of(conversation) if turns is None else turns
    last, path = newest(turns), chosen_path(turns)
    language = place.participation.language
    words = place.step.continue_text if last is not None and next_number(last) else place.step.opening_text
    return talk_head(place, conversation) | {
        "exchanges": exchanges(path),
        "heading": in_language(words, language),
        "turn": last if last is not None and last.chosen_id is None else None,
        "writing": last is not None and last.state == Turn.State.GENERATING,
        "judging": judge_part(place, last, form) if last is not None and last.state == Turn.State.READY else None,
        "void": last if led_nowhere(last) else None,
        "slots": _cards(last) if last is not None and last.state == Turn.State.GENERATING else [],
        "composer": _composer(place, conversation, last, sent),
        "may_finish": may_finish(conversation, place.step, turns),
        "turns_had": len(path),
        "turns_min": place.step.turns.min,
        "advised_over": place.step.turns.advised_max if _is_over(place.step.turns.advised_max, path) else 0,
        "most_had": _is_over(place.step.turns.max, path),
        "key": first(sent or {}, "key") or uuid.uuid4().hex,
        "errors": [("message", "", error)] if error else _summary(form),
        "message_error": error,
    }


def judge_part(place: Here, turn: Turn, form: JudgementForm | None = None) -> dict[str, Any]:
    """The form of a turn whose answers are complete. Texts are read from the database now."""
    turn.assignment.participation = place.participation
    document = document_of(turn.conversation.version)
    protocol = document.protocols[turn.assignment.protocol]
    draft = f"{place.step.name}/turn/{turn.pk}"
    if form is None:
        fields = draft_fields(place.participation, draft) if place.trusted else {}
        form = JudgementForm(
            turn.assignment, turn.assignment.presentation, document, fields, place.participation.language
        )
    widgets = form.questions.widgets()
    return {
        "turn": turn,
        "draft_place": draft,
        "answers": _answers(turn, form, widgets),
        "about_item": [widget for widget in widgets if not widget["target"]],
        "instruction": in_language(protocol.instruction, place.participation.language),
        "question_text": _only_question(widgets, protocol),
        "pick": protocol.choice is not None and protocol.choice.source == "pick",
        "tie_allowed": protocol.choice is not None and protocol.choice.tie == "explicit",
        "tie_picked": first(form.fields, "chosen") == "tie",
        "none": none_offered(protocol, place.participation.language),
        "none_reason": first(form.fields, "none-reason"),
        "ask": form.ask,
        "confirm_equal": bool(form.ask and form.ask.kind == "all_equal") or first(form.fields, "confirm_equal"),
        "key": first(form.fields, "key") or uuid.uuid4().hex,
    }


def after_page(place: Here, conversation: Conversation, form: JudgementForm | None = None) -> dict[str, Any] | None:
    """The first block after the talk that is not answered yet; `None` where all are."""
    assignment = next_after(conversation, place.step)
    if assignment is None:
        return None
    document = document_of(conversation.version)
    block = after_block(document, assignment.protocol)
    draft = f"{place.step.name}/after/{assignment.pk}"
    if form is None:
        fields = draft_fields(place.participation, draft) if place.trusted else {}
        form = JudgementForm(assignment, assignment.presentation, document, fields, place.participation.language)
    path = chosen_path(turns_of(conversation))
    names = [one.name for one in place.step.after]
    return talk_head(place, conversation) | {
        "place": assignment,
        "draft_place": draft,
        "block_number": names.index(block.name) + 1,
        "block_count": len(names),
        "heading": in_language(block.title, place.participation.language),
        "about_opening": block.about == "opening",
        "opening": path[0],
        "opening_answers": _cards(path[0]),
        "exchanges": exchanges(path),
        "widgets": form.questions.widgets(),
        "errors": _summary(form),
        "key": first(form.fields, "key") or uuid.uuid4().hex,
    }


def _cards(turn: Turn) -> list[AnswerCard]:
    """The answers as they are stored, without questions; empty while they are written."""
    slots = turn.assignment.presentation.slots()
    texts = candidate_texts(turn) if turn.state in {Turn.State.READY, Turn.State.JUDGED} else dict.fromkeys(slots, "")
    return [AnswerCard(slot, texts[slot], chosen=str(turn.chosen_id) == pk) for slot, pk in slots.items()]


def _answers(turn: Turn, form: JudgementForm, widgets: list[dict[str, Any]]) -> list[AnswerCard]:
    texts = candidate_texts(turn)
    tied = form.ask.slots if form.ask and form.ask.kind == "tie" else ()
    return [
        AnswerCard(
            slot,
            texts[slot],
            questions=[widget for widget in widgets if widget["target"] == pk],
            picked=first(form.fields, "chosen") == slot,
            tied=slot in tied,
        )
        for slot, pk in form.slots.items()
    ]


def _only_question(widgets: list[dict[str, Any]], protocol: Protocol) -> str:
    """Where every answer has the same one question, its text stands once above them all."""
    if len(protocol.per_candidate) != 1:
        return ""
    return next((str(widget["text"]) for widget in widgets if widget["target"]), "")


def _composer(place: Here, conversation: Conversation, last: Turn | None, sent: Fields | None) -> dict[str, Any] | None:
    """The next message, with what was typed of it; `None` where none can be sent now."""
    if not may_write(conversation, place.step, last):
        return None
    number = next_number(last)
    draft = f"{place.step.name}/message/{conversation.number}/{number}"
    fields = sent or (draft_fields(place.participation, draft) if place.trusted else {})
    before = last.user_text if last is not None and led_nowhere(last) else ""
    return {
        "text": first(fields, "message") or before,
        "shared": opening_text(conversation) if not number else "",
        "draft_place": draft,
        "turn": number or "",
        "placeholder": in_language(place.step.placeholder, place.participation.language),
        "most": place.step.max_message_chars,
        "paste": place.step.allow_paste,
        "k": rules_for(place.step, number).candidates.k,
    }


def exchanges(path: list[Turn]) -> list[Exchange]:
    """What was said on the way, with the receipt of each judgement."""
    receipts = {
        judgement.assignment_id: judgement.receipt
        for judgement in Judgement.objects.filter(assignment__in=[turn.assignment_id for turn in path])
    }
    return [_exchange(turn, receipts.get(turn.assignment_id, "")) for turn in path]


def _exchange(turn: Turn, receipt: str) -> Exchange:
    letters = {pk: slot for slot, pk in turn.assignment.presentation.slots().items()}
    answer = turn.chosen.text if turn.chosen is not None else ""
    return Exchange(turn.user_text, answer, letters.get(str(turn.chosen_id), ""), receipt)


def _summary(form: JudgementForm | None) -> list[tuple[str, str, str]]:
    """The lines of the summary: field, what it is about, what is wrong. A tie is a question and no mistake; it stands
    where the answers end."""
    if form is None or (form.ask is not None and form.ask.kind == "tie"):
        return []
    letters = {pk: slot for slot, pk in form.slots.items()}
    lines = []
    for widget in form.questions.widgets():
        letter = letters.get(widget["target"], "")
        about = _("Answer %(slot)s") % {"slot": letter} if letter else str(widget["text"])
        lines += [(field, about, text) for field, text in widget["errors"].items()]
    return lines + [(field, "", text) for field, text in form.choice_errors.items()]


def _is_over(limit: int | None, path: list[Turn]) -> bool:
    return limit is not None and len(path) >= limit
