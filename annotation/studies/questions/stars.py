"""Stars. Value: how many, from 1."""

import random
from collections.abc import Mapping
from typing import Any, ClassVar, Literal

from django.utils.translation import gettext
from pydantic import Field

from annotation.studies.questions.base import (
    Answer,
    AnswerError,
    Column,
    Fields,
    Question,
    Temperament,
    first,
    unanswered,
)
from annotation.studies.questions.choices import NOT_ONE_OF_THEM
from annotation.studies.texts import Text, in_language


class Stars(Question):
    """One to `count` stars."""

    template: ClassVar[str] = "studies/questions/stars.html"
    group: ClassVar[bool] = True
    kind: Literal["stars"] = "stars"
    count: int = Field(default=5, ge=2, le=10)
    ends: tuple[Text, Text] | None = None

    def testable(self) -> tuple[Any, ...] | None:
        return tuple(range(1, self.count + 1))

    def read(self, prefix: str, fields: Fields, order: tuple[str, ...] | None) -> Answer:
        posted = first(fields, prefix)
        if not posted:
            return unanswered()
        if posted not in map(str, range(1, self.count + 1)):
            raise AnswerError(gettext(NOT_ONE_OF_THEM), field=prefix)
        return Answer(value=int(posted))

    def widget(self, prefix: str, fields: Fields, order: tuple[str, ...] | None, language: str) -> dict[str, Any]:
        low, high = self.ends or ({}, {})
        return {
            "numbers": list(range(1, self.count + 1)),
            "count": self.count,
            "low": in_language(low, language),
            "high": in_language(high, language),
            "value": first(fields, prefix),
            "field": prefix,
        }

    def own_columns(self, name: str) -> list[Column]:
        return [Column(name, "integer", in_language(self.text, "en"), tuple(range(1, self.count + 1)))]

    def own_values(self, name: str, stored: Mapping[str, Any]) -> dict[str, Any]:
        return {name: stored["value"]}

    def bot_fields(
        self, prefix: str, order: tuple[str, ...] | None, rng: random.Random, temperament: Temperament
    ) -> dict[str, list[str]]:
        if not self.required and rng.random() > temperament.care:
            return {}
        drawn = round(rng.gauss((self.count + 1) / 2 + temperament.warmth * self.count / 4, self.count / 4))
        return {prefix: [str(min(max(drawn, 1), self.count))]}
