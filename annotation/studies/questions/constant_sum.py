"""A constant sum: points shared out among rows."""

import random
from typing import Any, ClassVar, Literal

from django.utils.translation import gettext
from pydantic import Field, model_validator

from annotation.studies.problems import MistakeError
from annotation.studies.questions.base import Answer, AnswerError, Fields, Temperament, first
from annotation.studies.questions.rows import RowsQuestion
from annotation.studies.questions.slider import WHOLE
from annotation.studies.texts import Text, in_language


class ConstantSum(RowsQuestion):
    """Whole numbers that add up to `total`. An empty row beside filled ones is 0."""

    template: ClassVar[str] = "studies/questions/constant_sum.html"
    kind: Literal["constant_sum"] = "constant_sum"
    total: int = Field(default=100, ge=1, le=1_000_000)
    unit: Text | None = None
    other: Literal[False] = False
    na_rows: Literal[False] = False

    @model_validator(mode="after")
    def _can_be_shared(self) -> "ConstantSum":
        if len(self.rows) < 2:
            raise MistakeError("rows", "at least two are needed")
        return self

    def read(self, prefix: str, fields: Fields, order: tuple[str, ...] | None) -> Answer:
        numbers, missing = self._read_rows(prefix, fields, order)
        if len(missing) == len(self.rows):
            return Answer(missing="unanswered", shown_order=order, details={"missing": missing})
        shared = {key: number or 0 for key, number in numbers.items()}
        if sum(shared.values()) != self.total:
            sums = {"total": self.total, "count": sum(shared.values())}
            raise AnswerError(
                gettext("The numbers have to add up to %(total)s; they add up to %(count)s.") % sums, field=prefix
            )
        return Answer(value=shared, shown_order=order, details={"missing": {}})

    def read_row(self, field: str, fields: Fields) -> int | None:
        raw = first(fields, field)
        if not raw:
            return None
        if not WHOLE.fullmatch(raw) or not 0 <= int(raw) <= self.total:
            raise AnswerError(gettext("Write a whole number from 0 to %(total)s.") % {"total": self.total}, field=field)
        return int(raw)

    def widget(self, prefix: str, fields: Fields, order: tuple[str, ...] | None, language: str) -> dict[str, Any]:
        rows = self.shown_rows(prefix, fields, order, language)
        given = [int(row["value"]) for row in rows if WHOLE.fullmatch(row["value"])]
        return {"rows": rows, "total": self.total, "sum": sum(given), "unit": in_language(self.unit, language)}

    def bot_fields(
        self, prefix: str, order: tuple[str, ...] | None, rng: random.Random, temperament: Temperament
    ) -> dict[str, list[str]]:
        if not self.required and rng.random() > temperament.care:
            return {}
        cuts = sorted(rng.randint(0, self.total) for _ in range(len(self.rows) - 1))
        edges = zip([0, *cuts], [*cuts, self.total], strict=True)
        shares = [high - low for low, high in edges]
        return {f"{prefix}-{key}": [str(share)] for key, share in zip(self.rows, shares, strict=True)}
