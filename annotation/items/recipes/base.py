"""What every candidate recipe fulfils. A recipe is one file here and one line in the registry.

A recipe decides which entries of the model pool answer, and says with what probability each got its place. It draws
from `pool`, the entries that can be drawn now, with the random generator it is given, and nothing else."""

import random
from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar, Protocol

from annotation.common.errors import DomainError


class NothingToDrawError(DomainError):
    """The pool has not enough entries that can answer now."""

    status = 503


@dataclass(frozen=True, slots=True)
class Pick:
    """A pool entry that got a place, the probability of that, and what it was drawn from."""

    entry: str
    probability: float
    pool: tuple[str, ...]


class Recipe(Protocol):
    """How the candidates of an item are made."""

    name: ClassVar[str]

    def draw(self, *, k: int, pool: Sequence[str], chosen: str, rng: random.Random) -> list[Pick]:
        """`k` picks. `chosen` is the entry of the answer that the talk goes on from, empty at its opening.
        Raises `NothingToDrawError` where fewer than `k` can be had."""


def replacement(*, pool: Sequence[str], used: set[str], rng: random.Random) -> Pick | None:
    """Another entry for the place of one that failed, the same for every recipe: uniform over those not yet used in
    the item; `None` where none is left."""
    left = tuple(name for name in pool if name not in used)
    return Pick(rng.choice(left), 1 / len(left), left) if left else None
