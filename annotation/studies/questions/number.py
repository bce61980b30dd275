"""A number that is typed."""

import math
import random
import re
from collections.abc import Mapping
from decimal import Decimal
from typing import Any, ClassVar, Literal

from django.utils.translation import gettext
from pydantic import Field, model_validator

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
from annotation.studies.texts import Text, in_language

WRITTEN = re.compile(r"-?[0-9]{1,12}([.,][0-9]{1,6})?", re.ASCII)


class Number(Question):
    """A whole number, or one with `decimals` places. Point and comma are both read."""

    template: ClassVar[str] = "studies/questions/number.html"
    kind: Literal["number"] = "number"
    min: float | None = Field(default=None, ge=-(10**12), le=10**12)
    max: float | None = Field(default=None, ge=-(10**12), le=10**12)
    decimals: int = Field(default=0, ge=0, le=6)
    unit: Text | None = None

    @model_validator(mode="after")
    def _is_a_range(self) -> "Number":
        if self.min is not None and self.max is not None and self.min > self.max:
            raise ValueError(f"min {self.min:g} must not be above max {self.max:g}")
        if self.min is not None and self.max is not None and self._grid()[0] > self._grid()[1]:
            raise ValueError(f"no number with {self.decimals} decimals lies from min {self.min:g} to max {self.max:g}")
        return self

    def _grid(self) -> tuple[int, int]:
        """The lowest and the highest number that a bot draws, in units of the last decimal place."""
        lowest = self.min if self.min is not None else min(0, self.max or 0)
        highest = self.max if self.max is not None else lowest + 100
        places = 10**self.decimals
        return math.ceil(Decimal(str(lowest)) * places), math.floor(Decimal(str(highest)) * places)

    def read(self, prefix: str, fields: Fields, order: tuple[str, ...] | None) -> Answer:
        raw = first(fields, prefix)
        if not raw:
            return unanswered()
        if not WRITTEN.fullmatch(raw):
            raise AnswerError(gettext("Write a number in digits."), field=prefix)
        number = Decimal(raw.replace(",", "."))
        self._refuse_out_of_range(prefix, number)
        return Answer(value=float(number) if self.decimals else int(number))

    def _refuse_out_of_range(self, prefix: str, number: Decimal) -> None:
        if number != round(number, self.decimals):
            text = (
                gettext("Write a whole number.") if not self.decimals else gettext("Write at most %(places)s places.")
            )
            raise AnswerError(text % {"places": self.decimals} if self.decimals else text, field=prefix)
        if self.min is not None and number < Decimal(str(self.min)):
            raise AnswerError(
                gettext("Write a number of at least %(least)s.") % {"least": f"{self.min:g}"}, field=prefix
            )
        if self.max is not None and number > Decimal(str(self.max)):
            raise AnswerError(gettext("Write a number of at most %(most)s.") % {"most": f"{self.max:g}"}, field=prefix)

    def widget(self, prefix: str, fields: Fields, order: tuple[str, ...] | None, language: str) -> dict[str, Any]:
        return {
            "value": first(fields, prefix),
            "unit": in_language(self.unit, language),
            "inputmode": "decimal" if self.decimals else "numeric",
        }

    def own_columns(self, name: str) -> list[Column]:
        return [Column(name, "number" if self.decimals else "integer", in_language(self.text, "en"))]

    def own_values(self, name: str, stored: Mapping[str, Any]) -> dict[str, Any]:
        return {name: stored["value"]}

    def bot_fields(
        self, prefix: str, order: tuple[str, ...] | None, rng: random.Random, temperament: Temperament
    ) -> dict[str, list[str]]:
        if not self.required and rng.random() > temperament.care:
            return {}
        drawn = Decimal(rng.randint(*self._grid())) / 10**self.decimals
        return {prefix: [f"{drawn:f}"]}
