"""What every selection policy fulfils. A policy is one file here and one line in the registry.

It says in which order open places are taken, by writing a number (`key`) into each when it is made: the smallest open
key comes next. So leasing costs the same under every policy and at every size."""

from collections.abc import Callable, Iterator, Sequence
from datetime import datetime
from typing import Any, ClassVar

from django.db.models import QuerySet

from annotation.assignments.models import Assignment
from annotation.items.models import Item
from annotation.studies.document.comparisons import ComparisonsStep

# (item, how many places of it come before this one, a number from 0 to 1 that is the place's own) → key
Keys = Callable[[Item, int, float], float]
# sooner than whatever a policy says
FIRST = -1e9


class Policy:
    """`candidates`: whether `keys` looks at the items' candidates. `follows_judgements`: whether it wants to be told of
    each, by `follow`. `rekeys`: whether a job asks it for new keys when there are new judgements. `derives`: whether it
    makes items of its own out of those of the set."""

    name: ClassVar[str]
    candidates: ClassVar[bool] = False
    follows_judgements: ClassVar[bool] = False
    rekeys: ClassVar[bool] = False
    derives: ClassVar[bool] = False

    def keys(self, step: ComparisonsStep, items: Callable[[], Iterator[Item]]) -> Keys:
        """The keys of one run over the set; `items` walks over all of it, in the order in which they will be asked
        for."""
        raise NotImplementedError

    def placed(self, items: QuerySet[Item]) -> QuerySet[Item]:
        """Those of the set's items that get places."""
        return items

    def derive(self, items: Sequence[Item], now: datetime) -> None:
        """Make the items that come out of these. The second time nothing happens."""

    def follow(self, *, place: Assignment, step: ComparisonsStep, now: datetime) -> list[Item]:
        """The new items that a judgement brings about; it runs in its transaction, the judged item being locked."""
        return []

    def rekey(self, *, places: QuerySet[Assignment], step: ComparisonsStep) -> None:
        """Write new keys into open places. `places` are all of the step's, of people or of bots."""


def models_of(item: Item) -> tuple[str, ...]:
    """The model of each candidate, in database order: what the document's pool or the import calls it."""
    return tuple(_model(candidate) for candidate in item.candidates.all())


def _model(candidate: Any) -> str:
    return candidate.pool_entry or str(candidate.provenance.get("model", ""))
