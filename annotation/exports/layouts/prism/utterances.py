"""One record per response, with the message that it answers: `utterances.jsonl`."""

from annotation.exports.layouts.fields import Record
from annotation.exports.layouts.prism import names
from annotation.exports.layouts.prism.conversations import Answered
from annotation.exports.rows import TurnRows


def utterance_record(
    conversation: Record, rows: TurnRows, response: Answered, *, utterance_id: str, interaction_id: str
) -> Record:
    return {
        "utterance_id": utterance_id,
        "interaction_id": interaction_id,
        "conversation_id": conversation["conversation_id"],
        "user_id": conversation["user_id"],
        "turn": rows.turn.number,
        "within_turn_id": response.within_turn_id,
        "included_in_balanced_subset": conversation["included_in_balanced_subset"],
        "conversation_type": conversation["conversation_type"],
        "user_prompt": names.written(rows.turn.user_text),
        "model_response": response.text,
        "model_name": response.model_name,
        "model_provider": response.model_provider,
        "score": response.score,
        "if_chosen": response.if_chosen,
    }
