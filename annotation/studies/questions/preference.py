"""The better one of two or more. Value: a candidate's id, or "tie", "both_bad", "cannot_judge"."""

import random
from typing import Any, ClassVar, Literal

from django.utils.translation import gettext

from annotation.studies.questions.base import Answer, AnswerError, Column, Fields, Temperament, first, unanswered
from annotation.studies.questions.candidates import WithVerdicts
from annotation.studies.questions.choices import NOT_ONE_OF_THEM
from annotation.studies.texts import in_language


class Preference(WithVerdicts):
    """Pick one, or say why none is picked."""

    template: ClassVar[str] = "studies/questions/preference.html"
    kind: Literal["preference"] = "preference"

    def testable(self) -> tuple[Any, ...] | None:
        return self.verdicts()

    def read(self, prefix: str, fields: Fields, order: tuple[str, ...] | None) -> Answer:
        posted = first(fields, prefix)
        if not posted:
            return unanswered()
        if len(fields[prefix]) > 1 or posted not in (*self.subject.slots, *self.verdicts()):
            raise AnswerError(gettext(NOT_ONE_OF_THEM), field=prefix)
        return Answer(value=self.subject.slots.get(posted, posted))

    def widget(self, prefix: str, fields: Fields, order: tuple[str, ...] | None, language: str) -> dict[str, Any]:
        posted = first(fields, prefix)
        labels = {slot: self.called(slot, language) for slot in self.subject.slots}
        labels |= {verdict: self.said(verdict, language) for verdict in self.verdicts()}
        return {
            "choices": [
                {
                    "key": key,
                    "slot": key if key in self.subject.slots else "",
                    "label": label,
                    "id": f"{prefix}--{key}",
                    "chosen": key == posted,
                }
                for key, label in labels.items()
            ]
        }

    def own_columns(self, name: str) -> list[Column]:
        allowed = ", ".join(("the id of the candidate", *self.verdicts()))
        return [Column(name, "string", f"{in_language(self.text, 'en')} ({allowed})")]

    def bot_fields(
        self, prefix: str, order: tuple[str, ...] | None, rng: random.Random, temperament: Temperament
    ) -> dict[str, list[str]]:
        if not self.subject.slots or (not self.required and rng.random() > temperament.care):
            return {}
        verdicts = self.verdicts()
        if verdicts and rng.random() < 0.2:
            return {prefix: [rng.choice(verdicts)]}
        return {prefix: [rng.choice(list(self.subject.slots))]}
