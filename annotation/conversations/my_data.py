"""What a person can see of their own talks: every text, by slot letter. Names no model."""

from typing import Any

from annotation.conversations.models import Conversation, Turn
from annotation.participation.models import Participation


def my_conversations(participation: Participation) -> list[dict[str, Any]]:
    """Every talk with everything that was said in it, answers that were not chosen included."""
    talks = Conversation.objects.filter(participation=participation).prefetch_related(
        "turns__assignment__presentation", "turns__item__candidates"
    )
    return [
        {
            "type": talk.type,
            "state": talk.state,
            "started_at": talk.started_at.isoformat(),
            "finished_at": talk.finished_at.isoformat() if talk.finished_at else None,
            "turns": [_my_turn(turn) for turn in talk.turns.all()],
        }
        for talk in talks
    ]


def _my_turn(turn: Turn) -> dict[str, Any]:
    presentation = turn.assignment.presentation
    slots = presentation.slots()
    texts = {str(candidate.pk): candidate.text for candidate in turn.item.candidates.all()}
    chosen = str(turn.chosen_id) if turn.chosen_id else ""
    return {
        "message": turn.user_text,
        "written": turn.details,
        "sent_at": turn.started_at.isoformat(),
        "state": turn.state,
        "answers": {slot: texts.get(pk, "") for slot, pk in slots.items()},
        "chosen": next((slot for slot, pk in slots.items() if pk == chosen), None),
        "shown": presentation.shown,
    }
