"""A statement to tick."""

import random
from collections.abc import Mapping
from typing import Any, ClassVar, Literal

from django.utils.translation import gettext

from annotation.studies.questions.base import Answer, AnswerError, Column, Fields, Question, Temperament, first
from annotation.studies.texts import in_language


class TickedStatement(Question):
    """Ticked is true. Where it is required it has to be ticked; else leaving it is the answer false."""

    template: ClassVar[str] = "studies/questions/statement.html"
    own_label: ClassVar[bool] = True
    kind: Literal["statement"] = "statement"

    def read(self, prefix: str, fields: Fields, order: tuple[str, ...] | None) -> Answer:
        ticked = bool(first(fields, prefix))
        if self.required and not ticked:
            raise AnswerError(gettext("Please tick this to go on."), field=prefix)
        return Answer(value=ticked)

    def widget(self, prefix: str, fields: Fields, order: tuple[str, ...] | None, language: str) -> dict[str, Any]:
        return {"value": bool(first(fields, prefix))}

    def own_columns(self, name: str) -> list[Column]:
        return [Column(name, "boolean", in_language(self.text, "en"), (True, False))]

    def own_values(self, name: str, stored: Mapping[str, Any]) -> dict[str, Any]:
        return {name: stored["value"]}

    def bot_fields(
        self, prefix: str, order: tuple[str, ...] | None, rng: random.Random, temperament: Temperament
    ) -> dict[str, list[str]]:
        return {prefix: ["on"]} if self.required or rng.random() < 0.5 else {}
