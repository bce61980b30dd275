"""A ranking. Value: {"ranks": {id: rank}, "not_rankable": [ids]}; rank 1 is the best, level ones share a rank and the
next has the next number (1, 2, 2, 3). In a ranking of the top k the others have no rank."""

import random
from typing import Any, ClassVar, Literal

from django.utils.translation import gettext
from pydantic import Field

from annotation.studies.questions.base import Answer, AnswerError, Column, Fields, Temperament, first, unanswered
from annotation.studies.questions.candidates import WeighsCandidates
from annotation.studies.questions.choices import NOT_ONE_OF_THEM
from annotation.studies.texts import in_language

NOT_RANKABLE = "x"
EXCERPT_CHARS = 80


class Ranking(WeighsCandidates):
    """Places for all candidates, or for the best `top` of them. Each one posts its place in a field of its own."""

    template: ClassVar[str] = "studies/questions/ranking.html"
    kind: Literal["ranking"] = "ranking"
    top: int | None = Field(default=None, ge=1, le=12, description="Only the best so many are ranked.")
    ties: bool = Field(default=True, description="Several may have the same place.")
    not_rankable: bool = Field(default=False, description="A candidate may be marked as not rankable.")

    def suffixes(self) -> set[str]:
        return set(self.subject.slots)

    def read(self, prefix: str, fields: Fields, order: tuple[str, ...] | None) -> Answer:
        places: dict[str, int] = {}
        left_out: list[str] = []
        for slot in self.subject.slots:
            posted = first(fields, f"{prefix}-{slot}")
            if posted == NOT_RANKABLE and self.not_rankable:
                left_out.append(slot)
            elif posted in self._places():
                places[slot] = int(posted)
            elif posted:
                raise AnswerError(gettext(NOT_ONE_OF_THEM), field=f"{prefix}-{slot}")
        if not places and not left_out:
            return unanswered()
        self._refuse_level(prefix, places)
        self._refuse_incomplete(prefix, places, left_out)
        levels = sorted(set(places.values()))
        ranks = self.by_id({slot: levels.index(place) + 1 for slot, place in places.items()})
        return Answer(value={"ranks": ranks, "not_rankable": sorted(self.subject.slots[slot] for slot in left_out)})

    def _places(self) -> tuple[str, ...]:
        return tuple(str(place) for place in range(1, len(self.subject.slots) + 1))

    def _refuse_level(self, prefix: str, places: dict[str, int]) -> None:
        if self.ties:
            return
        taken: dict[int, str] = {}
        for slot, place in places.items():
            if place in taken:
                words = {"place": place, "other": taken[place]}
                text = gettext("Place %(place)s is taken by %(other)s; every one needs its own.") % words
                raise AnswerError(text, field=f"{prefix}-{slot}")
            taken[place] = slot

    def _refuse_incomplete(self, prefix: str, places: dict[str, int], left_out: list[str]) -> None:
        rankable = [slot for slot in self.subject.slots if slot not in left_out]
        wanted = min(self.top or len(rankable), len(rankable))
        if len(places) == wanted:
            return
        if self.top and len(places) > self.top:
            counts = {"wanted": wanted, "count": len(places)}
            raise AnswerError(gettext("Give places to %(wanted)s of them, not to %(count)s.") % counts, field=prefix)
        open_ones = [slot for slot in rankable if slot not in places]
        text = gettext("Give places to %(wanted)s of them; %(count)s have one.")
        words = {f"{prefix}-{slot}": gettext("This one has no place yet.") for slot in open_ones if not self.top}
        raise AnswerError(text % {"wanted": wanted, "count": len(places)}, field=prefix, others=words)

    def widget(self, prefix: str, fields: Fields, order: tuple[str, ...] | None, language: str) -> dict[str, Any]:
        return {
            "rows": [
                {
                    "key": slot,
                    "field": f"{prefix}-{slot}",
                    "text_field": "",
                    "label": self.called(slot, language),
                    "excerpt": _excerpt(self.subject.texts.get(slot, "")),
                    "value": first(fields, f"{prefix}-{slot}"),
                }
                for slot in self.subject.slots
            ],
            "places": self._places(),
            "ties": self.ties,
            "top": self.top or "",
            "not_rankable": NOT_RANKABLE if self.not_rankable else "",
        }

    def own_columns(self, name: str) -> list[Column]:
        text = in_language(self.text, "en")
        ranks = Column(f"{name}:ranks", "object", f"{text} - rank by the candidate's id, 1 is the best")
        left_out = Column(f"{name}:not_rankable", "list", f"{text} - ids of those that cannot be ranked")
        return [ranks, left_out]

    def own_values(self, name: str, stored: Any) -> dict[str, Any]:
        value = stored["value"] or {}
        return {f"{name}:{part}": value.get(part) for part in ("ranks", "not_rankable")}

    def bot_fields(
        self, prefix: str, order: tuple[str, ...] | None, rng: random.Random, temperament: Temperament
    ) -> dict[str, list[str]]:
        if not self.subject.slots or (not self.required and rng.random() > temperament.care):
            return {}
        slots = rng.sample(list(self.subject.slots), len(self.subject.slots))
        left_out = [slots.pop()] if self.not_rankable and rng.random() < 0.1 else []
        ranked = slots[: self.top or len(slots)]
        place, fields = 0, {f"{prefix}-{slot}": [NOT_RANKABLE] for slot in left_out}
        for slot in ranked:
            level = self.ties and place and rng.random() < 0.2
            place += 0 if level else 1
            fields[f"{prefix}-{slot}"] = [str(place)]
        return fields


def _excerpt(text: str) -> str:
    """The beginning of a candidate, to recognise it by."""
    words = " ".join(text[: EXCERPT_CHARS * 4].split())
    return words if len(words) <= EXCERPT_CHARS else f"{words[:EXCERPT_CHARS].rstrip()}…"
