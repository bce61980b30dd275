"""`with_principles`: *k* different entries, each set of *k* equally likely, and each under a principle of its own,
drawn without repetition."""

import random
from collections.abc import Sequence
from dataclasses import replace
from typing import ClassVar

from annotation.items.recipes.base import NothingToDrawError, Pick
from annotation.items.recipes.distinct_models import DistinctModels
from annotation.studies.document.recipes import Principle


class WithPrinciples:
    name: ClassVar[str] = "with_principles"
    together: ClassVar[bool] = False
    distinct: ClassVar[bool] = True

    def draw(
        self, *, k: int, pool: Sequence[str], chosen: str, rng: random.Random, principles: Sequence[Principle] = ()
    ) -> list[Pick]:
        if len(principles) < k:
            raise NothingToDrawError(f"{k} principles are needed, and there are {len(principles)}.")
        picks = DistinctModels().draw(k=k, pool=pool, chosen=chosen, rng=rng)
        drawn = rng.sample(list(principles), k)
        return [
            replace(pick, instruction=principle.system_message, principle=principle.name)
            for pick, principle in zip(picks, drawn, strict=True)
        ]
