"""The best k of n. Value: the ids of those picked, sorted (their order says nothing)."""

import random
from typing import Any, ClassVar, Literal

from django.utils.translation import gettext, ngettext
from pydantic import Field

from annotation.studies.questions.base import Answer, AnswerError, Column, Fields, Temperament, unanswered
from annotation.studies.questions.candidates import WeighsCandidates
from annotation.studies.questions.choices import NOT_ONE_OF_THEM
from annotation.studies.texts import Text, in_language

NONE = "none"


class BestOf(WeighsCandidates):
    """Pick `k`; of an item with fewer candidates all of them. With `none`, "none of them" is the empty list."""

    template: ClassVar[str] = "studies/questions/best_of.html"
    kind: Literal["best_of"] = "best_of"
    k: int = Field(default=1, ge=1, le=12)
    fewer: bool = Field(default=False, description="Fewer than k may be picked.")
    none: bool = Field(default=False, description="'None of them' can be picked.")
    none_label: Text | None = None

    def wanted(self) -> int:
        return min(self.k, len(self.subject.slots))

    def read(self, prefix: str, fields: Fields, order: tuple[str, ...] | None) -> Answer:
        posted = {value for value in fields.get(prefix) or [] if value}
        if not posted:
            return unanswered()
        if not posted <= {*self.subject.slots, *([NONE] if self.none else [])}:
            raise AnswerError(gettext(NOT_ONE_OF_THEM), field=prefix)
        if posted == {NONE}:
            return Answer(value=[])
        if NONE in posted:
            raise AnswerError(gettext("Choose either some of them or none of them."), field=prefix)
        self._refuse_wrong_number(prefix, len(posted))
        return Answer(value=sorted(self.subject.slots[slot] for slot in posted))

    def _refuse_wrong_number(self, prefix: str, count: int) -> None:
        wanted = {"wanted": self.wanted(), "count": count}
        if count > self.wanted() or (count < self.wanted() and not self.fewer):
            text = ngettext(
                "Choose %(wanted)s; you have chosen %(count)s.",
                "Choose %(wanted)s; you have chosen %(count)s.",
                self.wanted(),
            )
            raise AnswerError(text % wanted, field=prefix)

    def widget(self, prefix: str, fields: Fields, order: tuple[str, ...] | None, language: str) -> dict[str, Any]:
        posted = set(fields.get(prefix) or [])
        choices = [
            {
                "key": slot,
                "slot": slot,
                "label": self.called(slot, language),
                "id": f"{prefix}--{slot}",
                "chosen": slot in posted,
                "exclusive": False,
            }
            for slot in self.subject.slots
        ]
        if self.none:
            label = in_language(self.none_label, language) or gettext("None of them")
            none = {"key": NONE, "slot": "", "label": label, "id": f"{prefix}--{NONE}", "chosen": NONE in posted}
            choices.append(none | {"exclusive": True})
        one = self.wanted() == 1
        return {"choices": choices, "wanted": self.wanted(), "one": one, "fewer": self.fewer}

    def own_columns(self, name: str) -> list[Column]:
        return [Column(name, "list", f"{in_language(self.text, 'en')} (ids of the candidates picked)")]

    def bot_fields(
        self, prefix: str, order: tuple[str, ...] | None, rng: random.Random, temperament: Temperament
    ) -> dict[str, list[str]]:
        if not self.subject.slots or (not self.required and rng.random() > temperament.care):
            return {}
        if self.none and rng.random() < 0.1:
            return {prefix: [NONE]}
        return {prefix: rng.sample(list(self.subject.slots), self.wanted())}
