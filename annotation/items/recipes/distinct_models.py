"""`distinct_models`: *k* different entries of the pool, each set of *k* equally likely."""

import random
from collections.abc import Sequence
from typing import ClassVar

from django.utils.translation import gettext as _

from annotation.items.recipes.base import NothingToDrawError, Pick
from annotation.studies.document.recipes import Principle


class DistinctModels:
    name: ClassVar[str] = "distinct_models"
    together: ClassVar[bool] = False
    distinct: ClassVar[bool] = True

    def draw(
        self, *, k: int, pool: Sequence[str], chosen: str, rng: random.Random, principles: Sequence[Principle] = ()
    ) -> list[Pick]:
        if len(pool) < k:
            words = _("Not enough models can answer at the moment. Please try again in a few minutes.")
            raise NothingToDrawError(words)
        names = rng.sample(list(pool), k)
        return [Pick(name, k / len(pool), tuple(pool)) for name in names]
