"""A text of one line."""

import random
from collections.abc import Mapping
from typing import Any, ClassVar, Literal

from django.utils.translation import gettext
from pydantic import Field, model_validator

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


class TextQuestion(Question):
    """Free text within limits: short and long texts differ in their box."""

    placeholder: Text | None = None
    min_chars: int = Field(default=0, ge=0)
    max_chars: int = Field(default=200, ge=1, le=100_000)

    @model_validator(mode="after")
    def _limits_fit(self) -> "TextQuestion":
        if self.min_chars > self.max_chars:
            raise MistakeError("min_chars", f"{self.min_chars} must not be above max_chars {self.max_chars}")
        return self

    def read(self, prefix: str, fields: Fields, order: tuple[str, ...] | None) -> Answer:
        text = written(fields, prefix, max_chars=self.max_chars)
        if not text:
            return unanswered()
        if len(text) < self.min_chars:
            counts = {"least": self.min_chars, "count": len(text)}
            raise AnswerError(
                gettext("Write at least %(least)s characters; there are %(count)s.") % counts, field=prefix
            )
        return Answer(value=text)

    def widget(self, prefix: str, fields: Fields, order: tuple[str, ...] | None, language: str) -> dict[str, Any]:
        return {
            "value": first(fields, prefix),
            "placeholder": in_language(self.placeholder, language),
            "min_chars": self.min_chars,
            "max_chars": self.max_chars,
        }

    def own_columns(self, name: str) -> list[Column]:
        return [Column(name, "string", in_language(self.text, "en"))]

    def own_values(self, name: str, stored: Mapping[str, Any]) -> dict[str, Any]:
        return {name: stored["value"]}

    def fitting(self, text: str) -> str:
        """A bot's text, within the limits."""
        return text.ljust(self.min_chars, ".")[: self.max_chars].strip().ljust(max(self.min_chars, 1), ".")


class ShortText(TextQuestion):
    """One line."""

    template: ClassVar[str] = "studies/questions/short_text.html"
    kind: Literal["short_text"] = "short_text"

    def read(self, prefix: str, fields: Fields, order: tuple[str, ...] | None) -> Answer:
        if "\n" in first(fields, prefix):
            raise AnswerError(gettext("Write one line only."), field=prefix)
        return super().read(prefix, fields, order)

    def bot_fields(
        self, prefix: str, order: tuple[str, ...] | None, rng: random.Random, temperament: Temperament
    ) -> dict[str, list[str]]:
        if not self.required and rng.random() > temperament.care:
            return {}
        return {
            prefix: [self.fitting(rng.choice(["none in particular", "a little of both", "as my parents", "mixed"]))]
        }
