"""Places for people: rows that exist before anybody asks, as many as the overlap says."""

import uuid
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime

from django.db.models import Exists, OuterRef, Q, QuerySet

from annotation.assignments.models import Assignment, StepPlaces
from annotation.assignments.policies import POLICIES
from annotation.assignments.policies.base import Keys
from annotation.assignments.showable import items_to_place, not_mixed_in, ready
from annotation.assignments.strata import places_before
from annotation.common.seeds import derive_seed
from annotation.items.models import Item
from annotation.studies.document.comparisons import ComparisonsStep
from annotation.studies.models import Study, StudyVersion
from annotation.studies.queries import document_of

# places, or items where they have one place each, that are in memory at a time
BATCH = 5_000
State, Reason = Assignment.State, Assignment.Reason
# what counts towards the overlap
TAKEN = (State.OPEN, State.LEASED, State.DONE)
COUNTED = (Reason.PLANNED, Reason.DISAGREEMENT)
# item, protocol, stratum, wave, copy
Spot = tuple[uuid.UUID, str, str, int, int]


@dataclass(frozen=True, slots=True)
class Plan:
    """What places are made for: a step as a version has it, these waves of it, for people or for bots."""

    version: StudyVersion
    step: ComparisonsStep
    waves: Sequence[int]
    rehearsal: bool = False

    def spots(self, item: Item) -> Iterator[Spot]:
        """Every place that the item is to have."""
        for protocol in self.step.protocol:
            for stratum, overlap in self.step.overlap.items():
                for wave in self.waves:
                    for copy in range(overlap):
                        yield item.pk, protocol, stratum, wave, copy

    @property
    def items_at_once(self) -> int:
        per_item = len(self.step.protocol) * sum(self.step.overlap.values()) * len(self.waves)
        return max(BATCH // max(per_item, 1), 1)

    def items(self) -> QuerySet[Item]:
        return items_to_place(self.version, self.step, rehearsal=self.rehearsal)

    def rows(self) -> QuerySet[Assignment]:
        return Assignment.objects.filter(
            study_id=self.version.study_id, step=self.step.name, rehearsal=self.rehearsal, reason__in=COUNTED
        )


def open_places(*, version: StudyVersion, step: ComparisonsStep, now: datetime) -> int:
    """Make the places that the step's items lack, and take away open ones that nobody can fill or is asked to fill any
    more (a smaller overlap, an item that is held). How many were made. The second time nothing happens, also beside
    another process that does the same; memory does not grow with the set."""
    known = StepPlaces.objects.filter(study_id=version.study_id, step=step.name).first()
    plan = Plan(version, step, range(known.waves if known else 1))
    _withdraw(plan)
    derive(plan, now)
    items = plan.items()
    keys = POLICIES[step.select].keys(step, lambda: walk(items))
    return sum(open_for(plan, batch, keys, now) for batch in batches(items, plan.items_at_once))


def derive(plan: Plan, now: datetime) -> None:
    """Make the items that the step's policy makes out of those of the set."""
    policy = POLICIES[plan.step.select]
    if policy.derives:
        items = not_mixed_in(ready(plan.version, plan.step, rehearsal=plan.rehearsal), plan.step)
        for batch in batches(items.prefetch_related("candidates").order_by("ordinal", "pk"), BATCH // 10):
            policy.derive(batch, now)


def batches(items: QuerySet[Item], size: int) -> Iterator[list[Item]]:
    """The items, some at a time, by where the last batch ended: no cursor is held while places are made."""
    batch = list(items[:size])
    while batch:
        yield batch
        last = batch[-1]
        behind = Q(ordinal=last.ordinal, pk__lte=last.pk)
        batch = list(items.filter(~behind, ordinal__gte=last.ordinal)[:size]) if len(batch) == size else []


def walk(items: QuerySet[Item]) -> Iterator[Item]:
    for batch in batches(items, BATCH):
        yield from batch


def open_for(plan: Plan, items: Sequence[Item], keys: Keys, now: datetime) -> int:
    """The places that these items lack. What another process makes at the same moment is left to it: the table refuses
    a second place with the same copy."""
    there = set(
        plan.rows()
        .filter(item__in=[item.pk for item in items], state__in=TAKEN)
        .values_list("item_id", "protocol", "stratum", "wave", "copy")
    )
    rows = []
    for item in items:
        # policies that count see every item, in the order of the set
        keys(item, 0, 0.0)
        rows += [_place(plan, item, spot, keys, now) for spot in plan.spots(item) if spot not in there]
    Assignment.objects.bulk_create(rows, batch_size=BATCH, ignore_conflicts=True)
    return len(rows)


def _place(plan: Plan, item: Item, spot: Spot, keys: Keys, now: datetime) -> Assignment:
    _, protocol, stratum, wave, copy = spot
    own = derive_seed(plan.version.study_id, plan.step.name, *spot, bits=53) / 2**53
    return Assignment(
        study_id=plan.version.study_id,
        version=plan.version,
        step=plan.step.name,
        item=item,
        protocol=protocol,
        stratum=stratum,
        wave=wave,
        copy=copy,
        key=keys(item, places_before(plan.step, stratum, wave) + copy, own),
        rehearsal=plan.rehearsal,
        created_at=now,
    )


def _withdraw(plan: Plan) -> None:
    """Delete open places that nobody is asked to fill any more, or can."""
    step = plan.step
    free = plan.rows().filter(reason=Reason.PLANNED, state=State.OPEN)
    too_many = Q()
    for stratum, overlap in step.overlap.items():
        too_many |= Q(stratum=stratum, copy__gte=overlap)
    unwanted = too_many | ~Q(stratum__in=list(step.overlap)) | ~Q(protocol__in=step.protocol)
    delete_open(free.filter(unwanted))
    # no join: where somebody leases a place at this moment, PostgreSQL looks at the row once more, and at nothing else
    delete_open(free.filter(~Exists(plan.items().order_by().filter(pk=OuterRef("item")))))


def is_asked_for(place: Assignment, study: Study) -> bool:
    """Whether what is published asks for this planned place: a version with a smaller overlap may have come while
    somebody held it. Extra places stay: they were asked for by what people said."""
    steps = document_of(study.current).steps if study.current else ()
    step = next((one for one in steps if one.name == place.step), None)
    if not isinstance(step, ComparisonsStep) or place.protocol not in step.protocol:
        return False
    overlap = step.overlap.get(place.stratum, 0)
    return place.copy < overlap or (place.reason == Reason.DISAGREEMENT and overlap > 0)


def delete_open(rows: QuerySet[Assignment]) -> int:
    """Delete open places in one statement, so that one that is leased at this moment stays. Nothing refers to an open
    place: what was shown or said belongs to rows that were leased."""
    return rows.filter(state=State.OPEN)._raw_delete(rows.db)
