"""A matrix of sliders: one scale, many rows."""

import random
from collections.abc import Mapping
from typing import Any, ClassVar, Literal

from annotation.studies.questions.base import Answer, Column, Fields, Temperament, first, touched
from annotation.studies.questions.choices import OTHER
from annotation.studies.questions.rows import RowsQuestion
from annotation.studies.questions.slider import Scale


class Sliders(RowsQuestion):
    """Sliders under each other. `details["touched"]` names the rows that the person set."""

    template: ClassVar[str] = "studies/questions/sliders.html"
    kind: Literal["sliders"] = "sliders"
    scale: Scale = Scale()

    def read(self, prefix: str, fields: Fields, order: tuple[str, ...] | None) -> Answer:
        given = super().read(prefix, fields, order)
        numbers, reported = given.value or {}, touched(fields, prefix)
        moved = [key for key, number in numbers.items() if self.scale.moved(number, f"{prefix}-{key}", reported)]
        return Answer(given.value, given.missing, given.shown_order, {**given.details, "touched": moved})

    def read_row(self, field: str, fields: Fields) -> int | None:
        return self.scale.read(first(fields, field), field)

    def _other_is_meant(self, prefix: str, number: int | None, fields: Fields) -> bool:
        return self.scale.moved(number, f"{prefix}-{OTHER}", touched(fields, prefix))

    def widget(self, prefix: str, fields: Fields, order: tuple[str, ...] | None, language: str) -> dict[str, Any]:
        rows = [row | self.scale.handle(row["value"]) for row in self.shown_rows(prefix, fields, order, language)]
        return self.scale.shown(language) | {"rows": rows, "touched": ",".join(touched(fields, prefix))}

    def row_columns(self, name: str, text: str) -> list[Column]:
        return self.scale.columns(name, text)

    def row_values(self, name: str, key: str, number: int | None, stored: Mapping[str, Any]) -> dict[str, Any]:
        if self.scale.start is None:
            return {name: number}
        moved = key in (stored["details"].get("touched") or []) if number is not None else None
        return {name: number, f"{name}:touched": moved}

    def bot_row(self, rng: random.Random, temperament: Temperament) -> int | None:
        if self.scale.start is not None and rng.random() > temperament.care:
            return None
        return self.scale.bot_number(rng, temperament)

    def bot_fields(
        self, prefix: str, order: tuple[str, ...] | None, rng: random.Random, temperament: Temperament
    ) -> dict[str, list[str]]:
        """A browser posts the start of every slider that is left alone; *touched* names the others."""
        fields = super().bot_fields(prefix, order, rng, temperament)
        if self.scale.start is None:
            return fields
        left = [key for key in self.keys() if f"{prefix}-{key}" not in fields and f"{prefix}-{key}-na" not in fields]
        return fields | {f"{prefix}-{key}": [str(self.scale.start)] for key in left}
