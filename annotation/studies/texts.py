"""Texts of a study document: plain, or one per language."""

from typing import Annotated

from pydantic import AfterValidator, BeforeValidator, Field

ANY = "*"
MAX_CHARS = 200_000


class Translations(dict[str, str]):
    """A checked text: language → words. Its own class, so that a walk through a document finds every text."""


def _per_language(value: object) -> object:
    if isinstance(value, str):
        value = {ANY: value}
    if not isinstance(value, dict) or not all(isinstance(part, str) for part in value.values()):
        raise ValueError("must be a text (in quotes where it could be a number), or one text per language {en: …}")
    if any(not part.strip() or len(part) > MAX_CHARS for part in value.values()):
        raise ValueError(f"a text must not be empty, nor longer than {MAX_CHARS} characters")
    return value


Text = Annotated[
    dict[str, str],
    BeforeValidator(_per_language, json_schema_input_type=str | dict[str, str]),
    AfterValidator(Translations),
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
