"""What the kinds with choices share: keys with labels, *other* with a text box, shuffling."""

import random
from collections.abc import Mapping
from typing import Annotated, Any, Literal

from django.utils.translation import gettext, gettext_noop
from pydantic import BeforeValidator, Field, model_validator

from annotation.studies.problems import MistakeError
from annotation.studies.questions.base import (
    Answer,
    AnswerError,
    Column,
    Fields,
    Question,
    Temperament,
    first,
    unanswered,
    written,
)
from annotation.studies.texts import Text, in_language

OTHER = "other"
OTHER_MAX_CHARS = 500
NOT_ONE_OF_THEM = gettext_noop("This is not one of the choices.")


def labelled(value: object) -> object:
    """A plain list becomes key = label; a mapping stays."""
    if isinstance(value, dict):
        return value
    if not isinstance(value, list | tuple):
        raise ValueError("must be a list of texts, or a mapping 'key: label'")  # noqa: TRY004 - pydantic makes a message of ValueError only
    keys = [_plain(part) for part in value]
    twice = sorted({key for key in keys if keys.count(key) > 1})
    if twice:
        raise ValueError(f"{', '.join(twice)} stands there twice")
    return {key: key for key in keys}


def _plain(value: object) -> str:
    if isinstance(value, bool) or not isinstance(value, str | int | float):
        raise ValueError(f"{str(value).lower()} is not allowed among choices; write texts, or a mapping 'key: label'")  # noqa: TRY004 - pydantic makes a message of ValueError only
    return str(value)


ChoiceKey = Annotated[str, Field(min_length=1, max_length=200, pattern=r"^\S(.*\S)?$")]
Choices = Annotated[
    dict[ChoiceKey, Text],
    BeforeValidator(labelled, json_schema_input_type=list[str] | dict[str, str | dict[str, str]]),
    Field(max_length=1_000, description="A list of texts, or a mapping 'key: label'; the key is what is stored."),
]


class ChoiceQuestion(Question):
    """One or several keys out of a closed list, in an order of its own where it is shuffled."""

    choices: Choices = Field(default_factory=dict)
    other: bool = Field(default=False, description="'Other' stands last, with a text box.")
    other_label: Text | None = None
    shuffle: Literal["none", "choices"] = "none"

    @model_validator(mode="after")
    def _has_choices(self) -> "ChoiceQuestion":
        if len(self.listed("en")) + self.other < 2:
            raise MistakeError("choices", "at least two are needed")
        if self.other and OTHER in self.choices:
            raise MistakeError("choices", "the key other is taken by 'other: true'")
        return self

    def listed(self, language: str) -> Mapping[str, str]:
        """Key → label, without *other*, in document order."""
        return {key: in_language(label, language) for key, label in self.choices.items()}

    def last(self) -> tuple[str, ...]:
        """Choices that keep their place at the end of a shuffled list."""
        return ()

    def keys(self) -> tuple[str, ...]:
        """Every key that may be stored, in document order."""
        return (*self.listed("en"), *([OTHER] if self.other else []))

    def testable(self) -> tuple[Any, ...] | None:
        return self.keys()

    def suffixes(self) -> set[str]:
        return {"other-text"} if self.other else set()

    def shuffle_keys(self) -> tuple[str, ...]:
        return self.keys() if self.shuffle == "choices" else ()

    def shuffled(self, rng: random.Random) -> tuple[str, ...] | None:
        if self.shuffle == "none":
            return None
        moving = [key for key in self.choices if key not in self.last()]
        rng.shuffle(moving)
        return (*moving, *self.last(), *([OTHER] if self.other else []))

    def read_other(self, prefix: str, fields: Fields) -> str:
        """The text beside *other*, which has to be there where *other* is chosen."""
        field = f"{prefix}-other-text"
        text = written(fields, field, max_chars=OTHER_MAX_CHARS)
        if not text:
            raise AnswerError(gettext("Please write what you mean."), field=field)
        return text

    def shown_choices(
        self, prefix: str, fields: Fields, order: tuple[str, ...] | None, language: str
    ) -> list[dict[str, Any]]:
        """Key, label and whether it is chosen, in the order shown, without *other*."""
        labels, chosen = self.listed(language), set(fields.get(prefix) or [])
        keys = [key for key in order or labels if key in labels]
        return [
            {
                "key": key,
                "label": labels[key],
                "id": f"{prefix}--{number}",
                "chosen": key in chosen,
                "exclusive": key in self.last(),
            }
            for number, key in enumerate(keys)
        ]

    def shown_other(self, prefix: str, fields: Fields, language: str) -> dict[str, Any] | None:
        if not self.other:
            return None
        return {
            "key": OTHER,
            "label": in_language(self.other_label, language) or gettext("Other"),
            "id": f"{prefix}--other",
            "chosen": OTHER in (fields.get(prefix) or []),
            "field": f"{prefix}-other-text",
            "text": first(fields, f"{prefix}-other-text"),
            "max_chars": OTHER_MAX_CHARS,
        }

    def other_columns(self, name: str) -> list[Column]:
        return [Column(f"{name}:other_text", "string", in_language(self.text, "en"))] if self.other else []

    def other_values(self, name: str, stored: Mapping[str, Any]) -> dict[str, Any]:
        return {f"{name}:other_text": stored["details"].get("other_text")} if self.other else {}

    def bot_other(self, prefix: str, keys: list[str], rng: random.Random) -> dict[str, list[str]]:
        if not self.other or OTHER not in keys:
            return {}
        return {f"{prefix}-other-text": [rng.choice(["Something else", "A bit of everything", "My own way"])]}


class OneChoice(ChoiceQuestion):
    """Exactly one key: single choices and drop-downs differ only in how they look."""

    def read(self, prefix: str, fields: Fields, order: tuple[str, ...] | None) -> Answer:
        given = list(fields.get(prefix) or [])
        key = first(fields, prefix)
        if not key:
            return unanswered(order)
        if len(given) > 1 or key not in self.keys():
            raise AnswerError(gettext(NOT_ONE_OF_THEM), field=prefix)
        details = {"other_text": self.read_other(prefix, fields)} if key == OTHER and self.other else {}
        return Answer(value=key, shown_order=order, details=details)

    def own_columns(self, name: str) -> list[Column]:
        return [Column(name, "string", in_language(self.text, "en"), self.keys()), *self.other_columns(name)]

    def own_values(self, name: str, stored: Mapping[str, Any]) -> dict[str, Any]:
        return {name: stored["value"], **self.other_values(name, stored)}

    def widget(self, prefix: str, fields: Fields, order: tuple[str, ...] | None, language: str) -> dict[str, Any]:
        return {
            "choices": self.shown_choices(prefix, fields, order, language),
            "other": self.shown_other(prefix, fields, language),
        }

    def bot_fields(
        self, prefix: str, order: tuple[str, ...] | None, rng: random.Random, temperament: Temperament
    ) -> dict[str, list[str]]:
        if not self.required and rng.random() > temperament.care:
            return {}
        key = rng.choice(self.keys())
        return {prefix: [key]} | self.bot_other(prefix, [key], rng)
