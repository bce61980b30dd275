"""One record per finished conversation: `conversations.jsonl`."""

from dataclasses import dataclass
from typing import Any

from annotation.exports.layouts.fields import Record
from annotation.exports.layouts.prism import names
from annotation.exports.layouts.prism.survey import in_order, written_time
from annotation.exports.rows import Stored, TalkRows, TurnRows
from annotation.items.models import Candidate
from annotation.studies.document import StudyDocument


@dataclass(frozen=True, slots=True)
class Answered:
    """One response as every table of the layout sees it."""

    within_turn_id: int
    text: str
    model_name: str
    model_provider: str | None
    score: int | None
    if_chosen: bool


def conversation_type(key: str) -> str:
    """`values_guided` in the document is "values guided" in the data."""
    return key.replace("_", " ").lower()


def score_question(document: StudyDocument, protocol: str) -> str:
    """The question whose answers are the scores: `score`, else what the choice is made from."""
    rules = document.protocols[protocol]
    if "score" in rules.per_candidate or rules.choice is None:
        return "score"
    return rules.choice.source


def answered(talk: TalkRows, rows: TurnRows) -> list[Answered]:
    """The responses of a turn. `within_turn_id` is the place on the screen, from 0; chosen is told by id."""
    question = score_question(talk.document, rows.judgement.protocol)
    surplus = {tuple(pair) for pair in talk.conversation.imported.get("surplus_chosen", ())}
    responses = []
    for shown, candidate in enumerate(rows.candidates):
        number = candidate.position if talk.conversation.imported else shown
        name, provider = model_of(talk.document, candidate)
        responses.append(
            Answered(
                within_turn_id=number,
                text=names.written(candidate.text),
                model_name=name,
                model_provider=provider,
                score=rows.answer(question, candidate)["value"],
                if_chosen=candidate.pk == rows.chosen_id or (rows.turn.number, number) in surplus,
            )
        )
    return responses


def model_of(document: StudyDocument, candidate: Candidate) -> tuple[str, str | None]:
    card: dict[str, Any] = {}
    if document.models is not None:
        card = document.models.entry(candidate.pool_entry).card
    provider = card.get("model_provider")
    return str(card.get("long_name") or candidate.pool_entry), names.provider_token(provider) if provider else None


def conversation_record(
    talk: TalkRows, responses: list[list[Answered]], *, conversation_id: str, user_id: str, balanced: bool
) -> Record:
    conversation, imported = talk.conversation, talk.conversation.imported
    ended = conversation.finished_at or conversation.started_at
    seconds = round((ended - conversation.started_at).total_seconds(), 2)
    return {
        "conversation_id": conversation_id,
        "user_id": user_id,
        "included_in_balanced_subset": balanced,
        "generated_datetime": written_time(ended),
        "timing_duration_s": imported.get("timing_duration_s", seconds),
        "timing_duration_mins": imported.get("timing_duration_mins", round(seconds / 60, 2)),
        "conversation_type": conversation_type(conversation.type),
        "opening_prompt": names.written(talk.turns[0].turn.user_text) if talk.turns else names.EMPTY,
        "conversation_turns": len(talk.turns),
        "conversation_history": history(talk, responses),
        "performance_attributes": attributes(talk.after.get("performance_attributes")),
        "choice_attributes": attributes(talk.after.get("choice_attributes")),
        "open_feedback": feedback(talk.after.get("open_feedback")),
    }


def history(talk: TalkRows, responses: list[list[Answered]]) -> list[Record]:
    items: list[Record] = []
    for rows, given in zip(talk.turns, responses, strict=True):
        number = rows.turn.number
        items.append({"turn": number, "role": "user", "content": names.written(rows.turn.user_text)})
        items += [
            {
                "turn": number,
                "role": "model",
                "content": response.text,
                "model_provider": response.model_provider,
                "model_name": response.model_name,
                "score": response.score,
                "if_chosen": response.if_chosen,
                "within_turn_id": response.within_turn_id,
            }
            for response in given
        ]
    return items


def attributes(stored: Stored | None) -> Record:
    """N/A and what was left untouched are null."""
    return in_order((stored or {}).get("value") or {}, names.ATTRIBUTES)


def feedback(stored: Stored | None) -> str | None:
    if stored is None or stored["missing"] == "not_shown":
        return None
    return names.written(stored["value"])
