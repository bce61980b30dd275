"""A text of several lines, with guidance and optional limits."""

import random
from collections.abc import Mapping
from typing import Any, ClassVar, Literal

from pydantic import Field

from annotation.studies.questions.base import Answer, AnswerError, Column, Fields, Question, Temperament, first
from annotation.studies.texts import Text, in_language


class LongText(Question):
    """Free text."""

    template: ClassVar[str] = "studies/questions/long_text.html"
    kind: Literal["long_text"] = "long_text"
    placeholder: Text | None = None
    min_chars: int = Field(default=0, ge=0)
    max_chars: int = Field(default=20_000, ge=1)
    lines: int = Field(default=5, ge=2, le=30)

    def read(self, prefix: str, fields: Fields, order: tuple[str, ...] | None) -> Answer:
        text = first(fields, prefix)
        if not text:
            return Answer(missing="unanswered")
        if not self.min_chars <= len(text) <= self.max_chars:
            raise AnswerError(
                f"Write {self.min_chars} to {self.max_chars} characters; there are {len(text)}.", field=prefix
            )
        return Answer(value=text)

    def widget(self, prefix: str, fields: Fields, order: tuple[str, ...] | None, language: str) -> dict[str, Any]:
        return {
            "value": first(fields, prefix),
            "placeholder": in_language(self.placeholder, language),
            "lines": self.lines,
            "max_chars": self.max_chars,
        }

    def columns(self, name: str) -> list[Column]:
        return [Column(name, "string", in_language(self.text, "en"))]

    def values(self, name: str, stored: Mapping[str, Any]) -> dict[str, Any]:
        return {name: stored["value"]}

    def bot_fields(
        self, prefix: str, order: tuple[str, ...] | None, rng: random.Random, temperament: Temperament
    ) -> dict[str, list[str]]:
        openings = ["I would like", "It matters to me that", "I value answers where", "To be honest, I prefer that"]
        wishes = ["people are kind", "facts are right", "nothing is hidden", "it is short", "I learn something new"]
        sentences = rng.randint(1, 3) if temperament.care < 0.5 else rng.randint(2, 5)
        written = " ".join(f"{rng.choice(openings)} {rng.choice(wishes)}." for _ in range(sentences))
        return {prefix: [written.ljust(self.min_chars, ".")[: self.max_chars]]}
