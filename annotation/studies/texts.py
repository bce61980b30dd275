"""Texts of a study document: plain, or one per language."""

from typing import Annotated

from pydantic import BeforeValidator, Field

ANY = "*"


def _per_language(value: object) -> object:
    return {ANY: value} if isinstance(value, str) else value


Text = Annotated[
    dict[str, str],
    BeforeValidator(_per_language, json_schema_input_type=str | dict[str, str]),
    Field(min_length=1, description="A text, or one per language: {en: …, fr: …}."),
]


def in_language(text: dict[str, str] | None, language: str) -> str:
    """The text in that language, else in its base language, else the first that is given."""
    if not text:
        return ""
    for name in (language, language.split("-", maxsplit=1)[0], ANY):
        if name in text:
            return text[name]
    return next(iter(text.values()))
