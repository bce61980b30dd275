"""How sure one is. Value: the number of the point, 1 being the least sure where the words are the default ones."""

from typing import Any, ClassVar, Literal

from django.utils.translation import gettext, gettext_noop

from annotation.studies.questions.base import Fields
from annotation.studies.questions.likert import Likert, Points

WORDS = (
    gettext_noop("Not confident"),
    gettext_noop("Somewhat confident"),
    gettext_noop("Fairly confident"),
    gettext_noop("Absolutely confident"),
)
DEFAULT_POINTS = Points.model_validate({"labels": WORDS})


class Confidence(Likert):
    """A Likert scale with words of its own, in the language of the page; `points` gives others."""

    template: ClassVar[str] = "studies/questions/likert.html"
    kind: Literal["confidence"] = "confidence"  # type: ignore[assignment]  # a kind of its own that looks like a Likert scale
    points: Points = DEFAULT_POINTS

    def widget(self, prefix: str, fields: Fields, order: tuple[str, ...] | None, language: str) -> dict[str, Any]:
        shown = super().widget(prefix, fields, order, language)
        if self.points == DEFAULT_POINTS:
            for point, words in zip(shown["points"], WORDS, strict=True):
                point["label"] = gettext(words)
        return shown
