"""A Likert scale: one point of a few, each or only the ends with words."""

import random
from collections.abc import Mapping
from typing import Any, ClassVar, Literal

from django.utils.translation import gettext
from pydantic import Field, model_validator

from annotation.studies.questions.base import (
    Answer,
    AnswerError,
    Column,
    Fields,
    Question,
    Strict,
    Temperament,
    first,
    unanswered,
)
from annotation.studies.questions.slider import WHOLE
from annotation.studies.texts import Text, in_language


class Points(Strict):
    """The points of a Likert scale. Give `labels` (words for every point), or `count` and the words of its `ends`.
    `first` is the number of the first point: 1, or 0, or −3 …"""

    labels: tuple[Text, ...] | None = Field(default=None, min_length=2, max_length=11)
    count: int | None = Field(default=None, ge=2, le=11)
    ends: tuple[Text, Text] | None = None
    first: int = Field(default=1, ge=-100, le=100)

    @model_validator(mode="after")
    def _labels_or_count(self) -> "Points":
        if (self.labels is None) == (self.count is None):
            raise ValueError("give either labels or count")
        if self.labels is not None and self.ends is not None:
            raise ValueError("ends stand beside count; with labels the first and the last label are the ends")
        return self

    def numbers(self) -> range:
        return range(self.first, self.first + (self.count or len(self.labels or ())))

    def read(self, raw: str, field: str) -> int | None:
        if not raw:
            return None
        if not WHOLE.fullmatch(raw) or int(raw) not in self.numbers():
            raise AnswerError(gettext("This is not one of the choices."), field=field)
        return int(raw)

    def shown(self, language: str) -> dict[str, Any]:
        ends = self.ends or ({}, {})
        return {
            "points": [
                {"number": number, "label": in_language(self.labels[index], language) if self.labels else ""}
                for index, number in enumerate(self.numbers())
            ],
            "labelled": self.labels is not None,
            "low": in_language(ends[0], language),
            "high": in_language(ends[1], language),
        }

    def described(self) -> str:
        """'1 = Disagree, …' for the codebook."""
        if self.labels:
            pairs = zip(self.numbers(), self.labels, strict=True)
        else:
            ends = self.ends or ({"*": "lowest"}, {"*": "highest"})
            pairs = zip((self.numbers()[0], self.numbers()[-1]), ends, strict=True)
        return ", ".join(f"{number} = {in_language(label, 'en')}" for number, label in pairs)

    def bot_number(self, rng: random.Random, temperament: Temperament) -> int:
        numbers = self.numbers()
        middle = (len(numbers) - 1) / 2 * (1 + temperament.warmth / 2)
        return numbers[min(max(round(rng.gauss(middle, len(numbers) / 4)), 0), len(numbers) - 1)]


class Likert(Question):
    """One Likert scale."""

    template: ClassVar[str] = "studies/questions/likert.html"
    group: ClassVar[bool] = True
    kind: Literal["likert"] = "likert"
    points: Points

    def read(self, prefix: str, fields: Fields, order: tuple[str, ...] | None) -> Answer:
        number = self.points.read(first(fields, prefix), prefix)
        return unanswered() if number is None else Answer(value=number)

    def widget(self, prefix: str, fields: Fields, order: tuple[str, ...] | None, language: str) -> dict[str, Any]:
        return self.points.shown(language) | {"value": first(fields, prefix), "field": prefix}

    def own_columns(self, name: str) -> list[Column]:
        text = f"{in_language(self.text, 'en')} ({self.points.described()})"
        return [Column(name, "integer", text, tuple(self.points.numbers()))]

    def own_values(self, name: str, stored: Mapping[str, Any]) -> dict[str, Any]:
        return {name: stored["value"]}

    def bot_fields(
        self, prefix: str, order: tuple[str, ...] | None, rng: random.Random, temperament: Temperament
    ) -> dict[str, list[str]]:
        if not self.required and rng.random() > temperament.care:
            return {}
        return {prefix: [str(self.points.bot_number(rng, temperament))]}
