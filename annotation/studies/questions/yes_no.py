"""Yes or no. Value: true or false."""

import random
from collections.abc import Mapping
from typing import Any, ClassVar, Literal

from django.utils.translation import gettext

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

VALUES = {"yes": True, "no": False}


class YesNo(Question):
    """One of two words; both have to be chosen, none is the start."""

    template: ClassVar[str] = "studies/questions/yes_no.html"
    group: ClassVar[bool] = True
    kind: Literal["yes_no"] = "yes_no"
    yes_label: Text | None = None
    no_label: Text | None = None

    def testable(self) -> tuple[Any, ...] | None:
        return (True, False)

    def read(self, prefix: str, fields: Fields, order: tuple[str, ...] | None) -> Answer:
        posted = first(fields, prefix)
        if not posted:
            return unanswered()
        if posted not in VALUES:
            raise AnswerError(gettext(NOT_ONE_OF_THEM), field=prefix)
        return Answer(value=VALUES[posted])

    def widget(self, prefix: str, fields: Fields, order: tuple[str, ...] | None, language: str) -> dict[str, Any]:
        posted = first(fields, prefix)
        labels = {
            "yes": in_language(self.yes_label, language) or gettext("Yes"),
            "no": in_language(self.no_label, language) or gettext("No"),
        }
        return {
            "choices": [
                {"key": key, "label": label, "id": f"{prefix}--{key}", "chosen": key == posted}
                for key, label in labels.items()
            ]
        }

    def own_columns(self, name: str) -> list[Column]:
        return [Column(name, "boolean", in_language(self.text, "en"), (True, False))]

    def own_values(self, name: str, stored: Mapping[str, Any]) -> dict[str, Any]:
        return {name: stored["value"]}

    def bot_fields(
        self, prefix: str, order: tuple[str, ...] | None, rng: random.Random, temperament: Temperament
    ) -> dict[str, list[str]]:
        if not self.required and rng.random() > temperament.care:
            return {}
        return {prefix: ["yes" if rng.random() < 0.5 + temperament.warmth / 4 else "no"]}
