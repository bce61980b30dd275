"""One record per interaction with its responses side by side: `wide.csv`. Letters follow `within_turn_id`."""

from collections.abc import Sequence
from string import ascii_lowercase

from annotation.exports.layouts.fields import Record
from annotation.exports.layouts.prism.conversations import Answered

LEAST_LETTERS = 4


def letters(most: int) -> str:
    return ascii_lowercase[: max(most, LEAST_LETTERS)]


def wide_record(utterance: Record, responses: Sequence[Answered], columns: str) -> Record:
    """From any utterance of the interaction and all of its responses; letters without a response are null."""
    by_letter = {ascii_lowercase[response.within_turn_id]: response for response in responses}
    record: Record = {
        key: utterance[key]
        for key in ("interaction_id", "conversation_id", "user_id", "turn", "included_in_balanced_subset")
    }
    record |= {key: utterance[key] for key in ("conversation_type", "user_prompt")}
    for part, name in (("model", "model_name"), ("response", "text"), ("score", "score")):
        record |= {f"{part}_{letter}": getattr(by_letter.get(letter), name, None) for letter in columns}
    chosen = [letter for letter, response in sorted(by_letter.items()) if response.if_chosen]
    return record | {"chosen": chosen[0] if chosen else None}
