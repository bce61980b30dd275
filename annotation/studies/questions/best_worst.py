"""The best and the worst of several. Value: {"best": id, "worst": id}."""

import random
from collections.abc import Mapping
from typing import Any, ClassVar, Literal

from django.utils.translation import gettext

from annotation.studies.questions.base import Answer, AnswerError, Column, Fields, Temperament, first, unanswered
from annotation.studies.questions.candidates import WeighsCandidates
from annotation.studies.questions.choices import NOT_ONE_OF_THEM
from annotation.studies.texts import Text, in_language

ENDS = ("best", "worst")


class BestWorst(WeighsCandidates):
    """Two different ones, one for each end."""

    template: ClassVar[str] = "studies/questions/best_worst.html"
    kind: Literal["best_worst"] = "best_worst"
    best_label: Text | None = None
    worst_label: Text | None = None

    def suffixes(self) -> set[str]:
        return set(ENDS)

    def read(self, prefix: str, fields: Fields, order: tuple[str, ...] | None) -> Answer:
        posted = {end: first(fields, f"{prefix}-{end}") for end in ENDS}
        if not any(posted.values()):
            return unanswered()
        for end, slot in posted.items():
            if not slot:
                raise AnswerError(gettext("Choose one here, too."), field=f"{prefix}-{end}")
            if slot not in self.subject.slots:
                raise AnswerError(gettext(NOT_ONE_OF_THEM), field=f"{prefix}-{end}")
        if posted["best"] == posted["worst"]:
            raise AnswerError(gettext("The best and the worst have to be two different ones."), field=f"{prefix}-worst")
        return Answer(value={end: self.subject.slots[slot] for end, slot in posted.items()})

    def widget(self, prefix: str, fields: Fields, order: tuple[str, ...] | None, language: str) -> dict[str, Any]:
        labels = (
            in_language(self.best_label, language) or gettext("Best"),
            in_language(self.worst_label, language) or gettext("Worst"),
        )
        return {
            "rows": [
                {
                    "key": end,
                    "field": f"{prefix}-{end}",
                    "text_field": "",
                    "label": label,
                    "value": first(fields, f"{prefix}-{end}"),
                }
                for end, label in zip(ENDS, labels, strict=True)
            ],
            "slots": [{"slot": slot, "label": self.called(slot, language)} for slot in self.subject.slots],
        }

    def own_columns(self, name: str) -> list[Column]:
        text = in_language(self.text, "en")
        return [Column(f"{name}:{end}", "string", f"{text} - the id of the {end}") for end in ENDS]

    def own_values(self, name: str, stored: Mapping[str, Any]) -> dict[str, Any]:
        return {f"{name}:{end}": (stored["value"] or {}).get(end) for end in ENDS}

    def bot_fields(
        self, prefix: str, order: tuple[str, ...] | None, rng: random.Random, temperament: Temperament
    ) -> dict[str, list[str]]:
        if len(self.subject.slots) < self.fewest or (not self.required and rng.random() > temperament.care):
            return {}
        pair = rng.sample(list(self.subject.slots), 2)
        return {f"{prefix}-{end}": [slot] for end, slot in zip(ENDS, pair, strict=True)}
