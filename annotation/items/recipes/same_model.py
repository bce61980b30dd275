"""`same_model`: *k* samples of the model whose answer was chosen before, told apart by their seeds."""

import random
from collections.abc import Sequence
from typing import ClassVar

from django.utils.translation import gettext as _

from annotation.items.recipes.base import NothingToDrawError, Pick
from annotation.studies.document.recipes import Principle


class SameModel:
    name: ClassVar[str] = "same_model"
    together: ClassVar[bool] = False
    distinct: ClassVar[bool] = False

    def draw(
        self, *, k: int, pool: Sequence[str], chosen: str, rng: random.Random, principles: Sequence[Principle] = ()
    ) -> list[Pick]:
        if chosen not in pool:
            raise NothingToDrawError(
                _("The model of this conversation cannot answer at the moment. Please try again later.")
            )
        return [Pick(chosen, 1.0, (chosen,)) for _ in range(k)]
