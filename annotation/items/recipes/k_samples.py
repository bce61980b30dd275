"""`k_samples`: *k* samples of one entry, the one that the document names or one drawn per item, told apart by seeds."""

import random
from collections.abc import Sequence
from typing import ClassVar

from annotation.items.recipes.base import Pick, one_entry
from annotation.studies.document.recipes import Principle


class KSamples:
    name: ClassVar[str] = "k_samples"
    together: ClassVar[bool] = False
    distinct: ClassVar[bool] = False

    def draw(
        self, *, k: int, pool: Sequence[str], chosen: str, rng: random.Random, principles: Sequence[Principle] = ()
    ) -> list[Pick]:
        return [one_entry(pool=pool, chosen=chosen, rng=rng)] * k
