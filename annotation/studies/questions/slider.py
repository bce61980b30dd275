"""A slider: a number between two ends."""

import random
from collections.abc import Mapping
from typing import Any, ClassVar, Literal

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
    touched,
)
from annotation.studies.texts import Text, in_language


class Scale(Strict):
    """A numeric scale. Without `start` the slider is *untouched* until it is moved, and untouched is no answer."""

    min: int = 0
    max: int = 100
    step: int = Field(default=1, ge=1)
    start: int | None = None
    ends: tuple[Text, Text] | None = None
    number: Literal["hidden", "shown"] = "hidden"

    @model_validator(mode="after")
    def _is_a_range(self) -> "Scale":
        if self.min >= self.max:
            raise ValueError(f"min {self.min} must be below max {self.max}")
        if self.start is not None and not self.min <= self.start <= self.max:
            raise ValueError(f"start {self.start} must lie between min {self.min} and max {self.max}")
        return self

    def read(self, raw: str, field: str) -> int | None:
        """The number in a form field, `None` where it is empty."""
        if not raw:
            return None
        if not raw.lstrip("-").isdigit() or not self.min <= int(raw) <= self.max:
            raise AnswerError(f"Choose a number from {self.min} to {self.max}.", field=field)
        if (int(raw) - self.min) % self.step:
            raise AnswerError(f"Choose a number in steps of {self.step} from {self.min}.", field=field)
        return int(raw)

    def bot_number(self, rng: random.Random, temperament: Temperament) -> int:
        middle = (self.min + self.max) / 2 + temperament.warmth * (self.max - self.min) / 4
        drawn = rng.gauss(middle, (self.max - self.min) / 5)
        steps = round((min(max(drawn, self.min), self.max) - self.min) / self.step)
        return min(self.min + steps * self.step, self.max)

    def shown(self, language: str) -> dict[str, Any]:
        ends = self.ends or ({}, {})
        return {
            "min": self.min,
            "max": self.max,
            "step": self.step,
            "start": self.start,
            "low": in_language(ends[0], language),
            "high": in_language(ends[1], language),
            "number_shown": self.number == "shown",
        }


class Slider(Question):
    """One number on a scale."""

    template: ClassVar[str] = "studies/questions/slider.html"
    kind: Literal["slider"] = "slider"
    scale: Scale = Scale()

    def read(self, prefix: str, fields: Fields, order: tuple[str, ...] | None) -> Answer:
        moved = prefix in touched(fields, prefix)
        number = self.scale.read(first(fields, prefix), prefix)
        if number is None or (self.scale.start is None and not moved):
            return Answer(missing="unanswered", details={"touched": moved})
        return Answer(value=number, details={"touched": moved})

    def widget(self, prefix: str, fields: Fields, order: tuple[str, ...] | None, language: str) -> dict[str, Any]:
        return self.scale.shown(language) | {
            "value": first(fields, prefix),
            "touched": first(fields, f"{prefix}-touched"),
        }

    def columns(self, name: str) -> list[Column]:
        return [Column(name, "integer", in_language(self.text, "en"))]

    def values(self, name: str, stored: Mapping[str, Any]) -> dict[str, Any]:
        return {name: stored["value"]}

    def bot_fields(
        self, prefix: str, order: tuple[str, ...] | None, rng: random.Random, temperament: Temperament
    ) -> dict[str, list[str]]:
        if self.scale.start is not None and rng.random() > temperament.care:
            return {prefix: [str(self.scale.start)]}
        return {prefix: [str(self.scale.bot_number(rng, temperament))], f"{prefix}-touched": [prefix]}
