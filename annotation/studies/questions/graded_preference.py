"""Which of two is better, and by how much. Value: {"toward": id or null, "strength": n}, 0 being the middle; or
"both_bad", "cannot_judge". It does not depend on which one stood first; the signed number as it was shown (below 0 for
the first) stands in `details["signed"]`."""

import random
from collections.abc import Mapping
from typing import Any, ClassVar, Literal

from django.utils.translation import gettext
from pydantic import Field, model_validator

from annotation.studies.problems import MistakeError
from annotation.studies.questions.base import Answer, AnswerError, Column, Fields, Temperament, first, unanswered
from annotation.studies.questions.candidates import SLOT, WithVerdicts
from annotation.studies.questions.choices import NOT_ONE_OF_THEM
from annotation.studies.texts import Text, in_language

PAIR = 2


class GradedPreference(WithVerdicts):
    """3 to 9 points from "the first is better" to "the second is better". With `tie` there is a middle point, so their
    number is odd; without it, even."""

    template: ClassVar[str] = "studies/questions/graded_preference.html"
    fewest: ClassVar[int] = PAIR
    most: ClassVar[int] = PAIR
    kind: Literal["graded_preference"] = "graded_preference"
    points: int = Field(default=5, ge=3, le=9)
    labels: tuple[Text, ...] | None = Field(
        default=None,
        description="Words for one side's points, the strongest first, with {slot} for the letter; "
        "the middle has its words in words.tie.",
    )
    show: Literal["words", "numbers"] = Field(default="words", description="Words at every point, or −3…3.")

    @model_validator(mode="after")
    def _points_have_a_middle_or_none(self) -> "GradedPreference":
        if self.points % 2 != int(self.tie):
            allowed = "3, 5, 7 or 9 points" if self.tie else "4, 6 or 8 points"
            raise MistakeError("points", f"with 'tie: {str(self.tie).lower()}' there are {allowed}")
        if self.labels is not None and len(self.labels) != self.strongest():
            raise MistakeError("labels", f"{self.points} points take {self.strongest()} texts, for one side")
        return self

    def strongest(self) -> int:
        return self.points // 2

    def numbers(self) -> tuple[int, ...]:
        """The points from left to right, below 0 for the first candidate."""
        return tuple(n for n in range(-self.strongest(), self.strongest() + 1) if n or self.tie)

    def testable(self) -> tuple[Any, ...] | None:
        """Conditions test the strength, whichever side it is for."""
        return (*range(0 if self.tie else 1, self.strongest() + 1), *self.beside())

    def beside(self) -> tuple[Literal["both_bad", "cannot_judge"], ...]:
        """The verdicts that are no point of the scale."""
        return tuple(verdict for verdict in self.verdicts() if verdict != "tie")

    def read(self, prefix: str, fields: Fields, order: tuple[str, ...] | None) -> Answer:
        posted = first(fields, prefix)
        if not posted:
            return unanswered()
        if posted in self.beside():
            return Answer(value=posted)
        if len(fields[prefix]) > 1 or posted not in map(str, self.numbers()):
            raise AnswerError(gettext(NOT_ONE_OF_THEM), field=prefix)
        signed = int(posted)
        one, two = self.subject.slots.values()
        toward = None if signed == 0 else one if signed < 0 else two
        return Answer(value={"toward": toward, "strength": abs(signed)}, details={"signed": signed})

    def widget(self, prefix: str, fields: Fields, order: tuple[str, ...] | None, language: str) -> dict[str, Any]:
        posted = first(fields, prefix)
        return {
            "points": [
                {
                    "number": number,
                    # a true minus sign, as on a scale
                    "shown": f"−{-number}" if number < 0 else str(number),
                    "words": self.point_words(number, language),
                    "chosen": posted == str(number),
                    "side": "first" if number < 0 else "second" if number else "middle",
                }
                for number in self.numbers()
            ],
            "as_numbers": self.show == "numbers",
            "beside": [
                {"key": verdict, "label": self.said(verdict, language), "chosen": posted == verdict}
                for verdict in self.beside()
            ],
        }

    def point_words(self, number: int, language: str) -> str:
        if number == 0:
            return self.said("tie", language)
        slots = list(self.subject.slots)
        place = 0 if number < 0 else 1
        called = self.called(slots[place], language) if len(slots) == PAIR else ""
        own = self.labels[self.strongest() - abs(number)] if self.labels else None
        if own:
            return in_language(own, language).replace(SLOT, slots[place] if len(slots) == PAIR else "")
        return _default_words(self.strongest())[abs(number) - 1] % {"name": called}

    def own_columns(self, name: str) -> list[Column]:
        text = in_language(self.text, "en")
        return [
            Column(f"{name}:toward", "string", f"{text} - the id of the better candidate"),
            Column(f"{name}:strength", "integer", f"{text} - by how much", tuple(range(self.strongest() + 1))),
            Column(f"{name}:signed", "integer", f"{text} - as shown, below 0 for the first", self.numbers()),
            *([Column(f"{name}:verdict", "string", text, self.beside())] if self.beside() else []),
        ]

    def own_values(self, name: str, stored: Mapping[str, Any]) -> dict[str, Any]:
        value = stored["value"]
        graded = value if isinstance(value, dict) else {}
        verdict = {f"{name}:verdict": value if isinstance(value, str) else None} if self.beside() else {}
        return {
            f"{name}:toward": graded.get("toward"),
            f"{name}:strength": graded.get("strength"),
            f"{name}:signed": stored["details"].get("signed"),
        } | verdict

    def bot_fields(
        self, prefix: str, order: tuple[str, ...] | None, rng: random.Random, temperament: Temperament
    ) -> dict[str, list[str]]:
        if not self.required and rng.random() > temperament.care:
            return {}
        if self.beside() and rng.random() < 0.1:
            return {prefix: [rng.choice(self.beside())]}
        return {prefix: [str(rng.choice(self.numbers()))]}


def _default_words(strongest: int) -> tuple[str, ...]:
    """From the weakest to the strongest."""
    plain, slightly = gettext("%(name)s is better"), gettext("%(name)s is slightly better")
    much, clearly = gettext("%(name)s is much better"), gettext("%(name)s is clearly better")
    extremely = gettext("%(name)s is very much better")
    return {
        1: (plain,),
        2: (slightly, clearly),
        3: (slightly, plain, much),
        4: (slightly, plain, much, extremely),
    }[strongest]
