"""A matrix of Likert rows: the same points for many statements."""

import random
from typing import Any, ClassVar, Literal

from annotation.studies.questions.base import Column, Fields, Temperament, first
from annotation.studies.questions.likert import Points
from annotation.studies.questions.rows import RowsQuestion


class LikertRows(RowsQuestion):
    """Statements under each other, each on the same points."""

    template: ClassVar[str] = "studies/questions/likert_rows.html"
    kind: Literal["likert_rows"] = "likert_rows"
    points: Points

    def read_row(self, field: str, fields: Fields) -> int | None:
        return self.points.read(first(fields, field), field)

    def widget(self, prefix: str, fields: Fields, order: tuple[str, ...] | None, language: str) -> dict[str, Any]:
        return self.points.shown(language) | {"rows": self.shown_rows(prefix, fields, order, language)}

    def row_columns(self, name: str, text: str) -> list[Column]:
        return [Column(name, "integer", f"{text} ({self.points.described()})", tuple(self.points.numbers()))]

    def bot_row(self, rng: random.Random, temperament: Temperament) -> int | None:
        return self.points.bot_number(rng, temperament)
