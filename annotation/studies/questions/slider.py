"""A slider: a number between two ends."""

import random
import re
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
    touched,
    unanswered,
)
from annotation.studies.texts import Text, in_language

WHOLE = re.compile(r"-?[0-9]{1,9}", re.ASCII)


class Scale(Strict):
    """A numeric scale. Without `start` the slider is *untouched* until it is moved, and untouched is no answer."""

    min: int = Field(default=0, ge=-(10**9), le=10**9)
    max: int = Field(default=100, ge=-(10**9), le=10**9)
    step: int = Field(default=1, ge=1)
    start: int | None = None
    ends: tuple[Text, Text] | None = None
    number: Literal["hidden", "shown"] = "hidden"

    @model_validator(mode="after")
    def _is_a_range(self) -> "Scale":
        if self.min >= self.max:
            raise ValueError(f"min {self.min} must be below max {self.max}")
        if (self.max - self.min) % self.step:
            raise ValueError(f"step {self.step} must lead from min {self.min} to max {self.max}")
        if self.start is not None and not self.min <= self.start <= self.max:
            raise ValueError(f"start {self.start} must lie between min {self.min} and max {self.max}")
        if self.start is not None and (self.start - self.min) % self.step:
            raise ValueError(f"start {self.start} must be reached from min {self.min} in steps of {self.step}")
        return self

    def read(self, raw: str, field: str) -> int | None:
        """The number in a form field, `None` where it is empty."""
        if not raw:
            return None
        if not WHOLE.fullmatch(raw) or not self.min <= int(raw) <= self.max:
            ends = {"least": self.min, "most": self.max}
            raise AnswerError(gettext("Choose a number from %(least)s to %(most)s.") % ends, field=field)
        if (int(raw) - self.min) % self.step:
            steps = {"step": self.step, "least": self.min}
            raise AnswerError(gettext("Choose a number in steps of %(step)s from %(least)s.") % steps, field=field)
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

    def handle(self, value: str) -> dict[str, Any]:
        """Where one slider of this scale stands: `value` is what is posted, `position` where the handle is drawn."""
        start = "" if self.start is None else str(self.start)
        middle = self.min + (self.max - self.min) // 2 // self.step * self.step
        return {
            "value": value or start,
            "position": value or start or str(middle),
            "untouched": self.start is None and not value,
        }

    def moved(self, number: int | None, field: str, reported: list[str]) -> bool:
        """Whether the person set it: the script said so, or the number is not the one it started at."""
        return number is not None and (field in reported or number != self.start)

    def columns(self, name: str, text: str) -> list[Column]:
        """The number and, where a start could be left as it was, whether it was touched."""
        number = Column(name, "integer", text)
        return [number] if self.start is None else [number, Column(f"{name}:touched", "boolean", text)]


class Slider(Question):
    """One number on a scale."""

    template: ClassVar[str] = "studies/questions/slider.html"
    kind: Literal["slider"] = "slider"
    scale: Scale = Scale()

    def read(self, prefix: str, fields: Fields, order: tuple[str, ...] | None) -> Answer:
        number = self.scale.read(first(fields, prefix), prefix)
        if number is None:
            return unanswered(touched=False)
        return Answer(value=number, details={"touched": self.scale.moved(number, prefix, touched(fields, prefix))})

    def widget(self, prefix: str, fields: Fields, order: tuple[str, ...] | None, language: str) -> dict[str, Any]:
        reported = touched(fields, prefix)
        return (
            self.scale.shown(language)
            | self.scale.handle(first(fields, prefix))
            | {"touched": ",".join(reported), "field": prefix}
        )

    def own_columns(self, name: str) -> list[Column]:
        return self.scale.columns(name, in_language(self.text, "en"))

    def own_values(self, name: str, stored: Mapping[str, Any]) -> dict[str, Any]:
        own = {name: stored["value"]}
        if self.scale.start is None:
            return own
        return own | {f"{name}:touched": None if stored["missing"] else bool(stored["details"].get("touched"))}

    def bot_fields(
        self, prefix: str, order: tuple[str, ...] | None, rng: random.Random, temperament: Temperament
    ) -> dict[str, list[str]]:
        if self.scale.start is not None and rng.random() > temperament.care:
            return {prefix: [str(self.scale.start)]}
        if not self.required and rng.random() > temperament.care:
            return {}
        return {prefix: [str(self.scale.bot_number(rng, temperament))], f"{prefix}-touched": [prefix]}
