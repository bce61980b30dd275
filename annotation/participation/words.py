"""A stored answer as the words that a person gave."""

from collections.abc import Mapping
from typing import Any

from annotation.studies.questions.base import Question
from annotation.studies.questions.choices import OTHER, ChoiceQuestion
from annotation.studies.texts import in_language


def in_words(question: Question, stored: Mapping[str, Any], language: str) -> str:
    """Labels instead of keys, the own words beside *other*; empty where nothing was answered."""
    value = stored["value"]
    if stored["missing"] or value is None:
        return ""
    if isinstance(question, ChoiceQuestion):
        keys = value if isinstance(value, list) else [value]
        return ", ".join(_label(question, str(key), stored, language) for key in keys)
    if isinstance(value, Mapping):
        return ", ".join(f"{key}: {part}" for key, part in value.items() if part is not None)
    return ", ".join(str(part) for part in value) if isinstance(value, list) else str(value)


def _label(question: ChoiceQuestion, key: str, stored: Mapping[str, Any], language: str) -> str:
    if key == OTHER and question.other:
        return str(stored["details"].get("other_text") or in_language(question.other_label, language))
    return question.listed(language).get(key, key)
