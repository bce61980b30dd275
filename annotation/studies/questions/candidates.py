"""What the kinds that weigh candidates against each other share: how a candidate is called, and the verdicts that
stand beside a preference. *Tie*, *both bad* and *cannot judge* are three different facts and are stored as such."""

from collections.abc import Mapping
from typing import Any, ClassVar, Literal

from django.utils.translation import gettext
from pydantic import Field, model_validator

from annotation.studies.problems import MistakeError
from annotation.studies.questions.base import AboutCandidates, Answer, AnswerError, Column, Fields, Needs
from annotation.studies.texts import Text, in_language

SLOT = "{slot}"
MOST_CANDIDATES = 26
Verdict = Literal["tie", "both_bad", "cannot_judge"]


class WeighsCandidates(AboutCandidates):
    """A question about all the candidates of an item. Forms post slot letters, answers hold candidate ids."""

    needs: ClassVar[Needs] = "whole"
    group: ClassVar[bool] = True
    fewest: ClassVar[int] = 2
    most: ClassVar[int] = MOST_CANDIDATES

    label: Text | None = Field(
        default=None, description="What a candidate is called, with {slot} for its letter; else the letter alone."
    )

    @model_validator(mode="after")
    def _label_has_its_slot(self) -> "WeighsCandidates":
        for language, words in (self.label or {}).items():
            if SLOT not in words:
                raise MistakeError("label", f"needs {SLOT} where the letter belongs ({language})")
        return self

    def answer(self, prefix: str, fields: Fields, order: tuple[str, ...] | None) -> Answer:
        if not self.fewest <= len(self.subject.slots) <= self.most:
            counts = {"count": len(self.subject.slots)}
            raise AnswerError(gettext("This question cannot be put about %(count)s candidates.") % counts, field=prefix)
        return super().answer(prefix, fields, order)

    def called(self, slot: str, language: str) -> str:
        return in_language(self.label, language).replace(SLOT, slot) or slot

    def by_id(self, by_slot: Mapping[str, Any]) -> dict[str, Any]:
        return {self.subject.slots[slot]: value for slot, value in by_slot.items()}

    def own_columns(self, name: str) -> list[Column]:
        return [Column(name, "object", in_language(self.text, "en"))]

    def own_values(self, name: str, stored: Mapping[str, Any]) -> dict[str, Any]:
        return {name: stored["value"]}


class WithVerdicts(WeighsCandidates):
    """A preference, or one of the verdicts that the document switches on."""

    tie: bool = Field(default=True, description="They may be equally good.")
    both_bad: bool = Field(default=False, description="None of them may be good.")
    cannot_judge: bool = False
    words: dict[Verdict, Text] = Field(default_factory=dict, description="Own words for tie, both_bad, cannot_judge.")

    @model_validator(mode="after")
    def _words_are_of_verdicts(self) -> "WithVerdicts":
        for verdict in self.words:
            if not getattr(self, verdict):
                raise MistakeError(f"words.{verdict}", f"stands beside '{verdict}: true' only")
        return self

    def verdicts(self) -> tuple[Verdict, ...]:
        """Those that can be given, in the order in which they are shown."""
        switched: tuple[tuple[Verdict, bool], ...] = (
            ("tie", self.tie),
            ("both_bad", self.both_bad),
            ("cannot_judge", self.cannot_judge),
        )
        return tuple(verdict for verdict, on in switched if on)

    def said(self, verdict: Verdict, language: str) -> str:
        pair = len(self.subject.slots) == 2
        default = {
            "tie": gettext("Equally good"),
            "both_bad": gettext("Both are bad") if pair else gettext("None of them is good"),
            "cannot_judge": gettext("I cannot judge this"),
        }
        return in_language(self.words.get(verdict), language) or default[verdict]
