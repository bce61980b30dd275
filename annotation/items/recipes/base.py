"""What every candidate recipe fulfils. A recipe is one file here and one line in the registry.

A recipe decides which entries of the model pool answer, and says with what probability each got its place. It draws
from `pool`, the entries that can be drawn now, with the random generator it is given, and nothing else."""

import random
from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar, Protocol

from django.utils.translation import gettext as _

from annotation.common.errors import DomainError
from annotation.studies.document.recipes import Principle


class NothingToDrawError(DomainError):
    """The pool has not enough entries that can answer now."""

    status = 503


@dataclass(frozen=True, slots=True)
class Pick:
    """A pool entry that got a place, the probability of that, and what it was drawn from. `instruction` is added to
    the study's system message; `principle` is its name where it is one."""

    entry: str
    probability: float
    pool: tuple[str, ...]
    instruction: str = ""
    principle: str = ""


class Recipe(Protocol):
    """How the candidates of an item are made. `together`: one call writes them all; `distinct`: each needs an entry of
    its own."""

    name: ClassVar[str]
    together: ClassVar[bool]
    distinct: ClassVar[bool]

    def draw(
        self, *, k: int, pool: Sequence[str], chosen: str, rng: random.Random, principles: Sequence[Principle] = ()
    ) -> list[Pick]:
        """`k` picks. `chosen` is the entry that has to answer: of a talk the one whose answer it goes on from (empty at
        its opening), of a set the one that its recipe names (empty: any). Raises `NothingToDrawError` where fewer than
        `k` can be had."""


def one_entry(*, pool: Sequence[str], chosen: str, rng: random.Random) -> Pick:
    """The entry that has to answer, else any, each equally likely."""
    if chosen and chosen not in pool:
        # whoever talks with it may read this: no name
        raise NothingToDrawError(_("The model that has to answer cannot do so at the moment. Please try again later."))
    left = (chosen,) if chosen else tuple(pool)
    if not left:
        raise NothingToDrawError(_("No model can answer at the moment. Please try again in a few minutes."))
    return Pick(rng.choice(left), 1 / len(left), left)


def replacement(*, pool: Sequence[str], used: set[str], rng: random.Random) -> Pick | None:
    """Another entry for the place of one that failed, the same for every recipe: uniform over those not yet used in
    the item; `None` where none is left."""
    left = tuple(name for name in pool if name not in used)
    return Pick(rng.choice(left), 1 / len(left), left) if left else None
