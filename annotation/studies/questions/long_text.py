"""A text of several lines, with guidance and optional limits."""

import random
from typing import Any, ClassVar, Literal

from pydantic import Field

from annotation.studies.questions.base import Fields, Temperament
from annotation.studies.questions.short_text import TextQuestion


class LongText(TextQuestion):
    """Free text."""

    template: ClassVar[str] = "studies/questions/long_text.html"
    kind: Literal["long_text"] = "long_text"
    max_chars: int = Field(default=20_000, ge=1, le=100_000)
    lines: int = Field(default=5, ge=2, le=30)

    def widget(self, prefix: str, fields: Fields, order: tuple[str, ...] | None, language: str) -> dict[str, Any]:
        return super().widget(prefix, fields, order, language) | {"lines": self.lines}

    def bot_fields(
        self, prefix: str, order: tuple[str, ...] | None, rng: random.Random, temperament: Temperament
    ) -> dict[str, list[str]]:
        if not self.required and rng.random() > temperament.care:
            return {}
        openings = ["I would like", "It matters to me that", "I value answers where", "To be honest, I prefer that"]
        wishes = ["people are kind", "facts are right", "nothing is hidden", "it is short", "I learn something new"]
        sentences = rng.randint(1, 3) if temperament.care < 0.5 else rng.randint(2, 5)
        return {
            prefix: [self.fitting(" ".join(f"{rng.choice(openings)} {rng.choice(wishes)}." for _ in range(sentences)))]
        }
