"""The two samples that the published data marks: the balanced subset and the census rebalance. Both are drawn by the
rank of a keyed hash, so the same people and conversations are drawn on every machine and in every run.

The published draws used a random state of their own; these follow the same rules and are not the same draws."""

import csv
import hashlib
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Set
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from uuid import UUID

CENSUS = Path(__file__).resolve().parents[2] / "data" / "us_census.csv"
CENSUS_TARGET = 300


@dataclass(frozen=True, slots=True)
class Demographics:
    """What decides on a census cell. `ethnicity` is the simplified category, null where nobody assigned one."""

    reside: str | None
    age: str | None
    gender: str | None
    ethnicity: str | None


def rank(seed: int, name: object) -> str:
    return hashlib.sha256(f"{seed}/{name}".encode()).hexdigest()


def balanced_talks(talks: Iterable[tuple[UUID, UUID, str]], types: Set[str], seed: int = 0) -> set[UUID]:
    """Out of (conversation, person, type): of everybody who has all types, as many of each as of their rarest."""
    by_person: dict[UUID, dict[str, list[UUID]]] = defaultdict(lambda: defaultdict(list))
    for talk, person, kind in talks:
        by_person[person][kind].append(talk)
    drawn: set[UUID] = set()
    for kinds in by_person.values():
        if types and types <= kinds.keys():
            least = min(len(kinds[kind]) for kind in types)
            for kind in types:
                drawn.update(sorted(kinds[kind], key=lambda talk: rank(seed, talk))[:least])
    return drawn


@cache
def us_cells() -> Mapping[tuple[str, str, str], int]:
    """(age, gender, ethnicity) → people wanted of a target of 300: the whole part of share × target, plus one."""
    cells = {}
    with CENSUS.open(encoding="utf-8", newline="") as file:
        for row in csv.DictReader(file):
            age = row.pop("age_category")
            for column, share in row.items():
                ethnicity, _, gender = column.rpartition("_")
                if age != "All Ages" and ethnicity and ethnicity != "All":
                    cells[age, gender, ethnicity] = int(float(share) * CENSUS_TARGET) + 1
    return cells


def us_sample(pool: Mapping[UUID, Demographics], seed: int = 0) -> dict[UUID, bool | None]:
    """Person → whether the census rebalance drew them, for people in the balanced subset who live in the United
    States. Null for those whose ethnicity nobody has categorised: they cannot be put into a cell."""
    by_cell: dict[tuple[str, str, str], list[UUID]] = defaultdict(list)
    drawn: dict[UUID, bool | None] = {}
    for person, facts in pool.items():
        cell = (facts.age or "", facts.gender or "", facts.ethnicity or "")
        binary = any(cell[:2] == known[:2] for known in us_cells())
        drawn[person] = None if binary and facts.ethnicity is None else False
        if cell in us_cells():
            by_cell[cell].append(person)
    taken: Counter[tuple[str, str, str]] = Counter()
    for cell, people in by_cell.items():
        for person in sorted(people, key=lambda one: rank(seed, one)):
            if taken[cell] < us_cells()[cell]:
                drawn[person] = True
                taken[cell] += 1
    return drawn
