"""One record per assessed text: `metadata.jsonl`. What was not assessed is null, never false."""

from collections.abc import Mapping
from typing import Any

from annotation.exports.layouts.fields import Record
from annotation.exports.layouts.prism import names
from annotation.exports.rows import Assessed

COLUMNS = ("model_response", "user_prompt", "open_feedback", "self_description", "system_string")


def metadata_record(
    column: str,
    assessed: Assessed,
    *,
    user_id: str,
    conversation_id: str | None = None,
    interaction_id: str | None = None,
    utterance_id: str | None = None,
) -> Record:
    by_hand = assessed.personal_by_hand
    return {
        "column_id": column,
        "user_id": user_id,
        "conversation_id": conversation_id,
        "interaction_id": interaction_id,
        "utterance_id": utterance_id,
        "pii_flag": assessed.personal,
        "pii_manual_flag": None if by_hand is None else float(by_hand),
        "language_flag": assessed.language,
        "en_flag": None if assessed.language is None else assessed.language == "en",
        "moderation_flag": moderation(assessed.moderation),
    }


def moderation(stored: Mapping[str, Any] | None) -> Record | None:
    if stored is None:
        return None
    return {
        "flagged": stored["flagged"],
        "categories": {key: stored["categories"].get(key) for key in names.MODERATION},
        "category_scores": {key: stored["category_scores"].get(key) for key in names.MODERATION},
    }
