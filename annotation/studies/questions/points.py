"""Points shared out among the candidates. Value: {id: points}, adding up to `total`."""

import random
from collections.abc import Mapping
from typing import Any, ClassVar, Literal

from django.utils.translation import gettext
from pydantic import Field

from annotation.studies.questions.base import Answer, AnswerError, Column, Fields, Temperament, first, unanswered
from annotation.studies.questions.candidates import WeighsCandidates
from annotation.studies.questions.slider import WHOLE
from annotation.studies.texts import Text, in_language


class PointAllocation(WeighsCandidates):
    """Whole numbers that add up to `total`. An empty one beside filled ones is 0."""

    template: ClassVar[str] = "studies/questions/constant_sum.html"
    kind: Literal["points"] = "points"
    total: int = Field(default=100, ge=1, le=1_000_000)
    unit: Text | None = None

    def suffixes(self) -> set[str]:
        return set(self.subject.slots)

    def read(self, prefix: str, fields: Fields, order: tuple[str, ...] | None) -> Answer:
        posted = {slot: first(fields, f"{prefix}-{slot}") for slot in self.subject.slots}
        if not any(posted.values()):
            return unanswered()
        words = gettext("Write a whole number from 0 to %(total)s.") % {"total": self.total}
        errors = {f"{prefix}-{slot}": words for slot, raw in posted.items() if not self._fits(raw)}
        if errors:
            raise AnswerError(words, field=next(iter(errors)), others=errors)
        shared = {slot: int(raw or 0) for slot, raw in posted.items()}
        if sum(shared.values()) != self.total:
            sums = {"total": self.total, "count": sum(shared.values())}
            text = gettext("The numbers have to add up to %(total)s; they add up to %(count)s.") % sums
            raise AnswerError(text, field=prefix)
        return Answer(value=self.by_id(shared))

    def _fits(self, raw: str) -> bool:
        return not raw or (WHOLE.fullmatch(raw) is not None and 0 <= int(raw) <= self.total)

    def widget(self, prefix: str, fields: Fields, order: tuple[str, ...] | None, language: str) -> dict[str, Any]:
        rows = [
            {
                "key": slot,
                "field": f"{prefix}-{slot}",
                "text_field": "",
                "label": self.called(slot, language),
                "value": first(fields, f"{prefix}-{slot}"),
            }
            for slot in self.subject.slots
        ]
        given = [int(row["value"]) for row in rows if WHOLE.fullmatch(row["value"])]
        return {"rows": rows, "total": self.total, "sum": sum(given), "unit": in_language(self.unit, language)}

    def own_columns(self, name: str) -> list[Column]:
        return [Column(name, "object", f"{in_language(self.text, 'en')} (points by the candidate's id)")]

    def own_values(self, name: str, stored: Mapping[str, Any]) -> dict[str, Any]:
        return {name: stored["value"]}

    def bot_fields(
        self, prefix: str, order: tuple[str, ...] | None, rng: random.Random, temperament: Temperament
    ) -> dict[str, list[str]]:
        if not self.subject.slots or (not self.required and rng.random() > temperament.care):
            return {}
        cuts = sorted(rng.randint(0, self.total) for _ in range(len(self.subject.slots) - 1))
        edges = zip([0, *cuts], [*cuts, self.total], strict=True)
        shares = [high - low for low, high in edges]
        return {f"{prefix}-{slot}": [str(share)] for slot, share in zip(self.subject.slots, shares, strict=True)}
