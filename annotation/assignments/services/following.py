"""What follows from a judgement for places: more people where the planned ones disagree, and whatever the step's
selection policy makes of it."""

from datetime import datetime

from django.db.models import QuerySet

from annotation.assignments.models import Assignment
from annotation.assignments.outcomes import Answers, divided
from annotation.assignments.policies import POLICIES
from annotation.assignments.policies.base import FIRST
from annotation.assignments.services.places import Plan, delete_open, open_for
from annotation.items.models import Candidate, Item
from annotation.studies.document.comparisons import ComparisonsStep
from annotation.studies.queries import document_of

State, Reason = Assignment.State, Assignment.Reason


def follow_judgement(*, place: Assignment, now: datetime) -> None:
    """Call it in the transaction that stored a judgement and closed its place, or changed the judgement. Whoever judges
    the same item at the same moment waits here, so that the last of them sees all answers; the second time nothing
    happens."""
    step = next((one for one in document_of(place.version).steps if one.name == place.step), None)
    if not isinstance(step, ComparisonsStep) or place.reason not in {Reason.PLANNED, Reason.DISAGREEMENT}:
        return
    if step.disagreement is None and not POLICIES[step.select].follows_judgements:
        return
    Item.objects.select_for_update(no_key=True).only("pk").get(pk=place.item_id)
    if step.disagreement is not None and place.reason == Reason.PLANNED:
        add_places_if_divided(place=place, step=step, now=now)
    if made := POLICIES[step.select].follow(place=place, step=step, now=now):
        keys = POLICIES[step.select].keys(step, lambda: iter(made))
        open_for(Plan(place.version, step, (place.wave,), rehearsal=place.rehearsal), made, keys, now)


def add_places_if_divided(*, place: Assignment, step: ComparisonsStep, now: datetime) -> int:
    """Where every planned judgement of the item (under the protocol, in the stratum and wave) is there and they
    disagree by the step's rule, open the extra places, before all others. How many. Where they agree since an answer
    was changed, those that nobody has taken go."""
    assert step.disagreement is not None  # noqa: S101 - the caller has looked
    overlap = step.overlap.get(place.stratum, 0)
    planned = answers_to(place)
    if len(planned) < overlap:
        return 0
    ids = Candidate.objects.filter(item=place.item_id).order_by("position").values_list("pk", flat=True)
    rule = step.disagreement
    if not divided(planned, rule.question, rule.threshold, [str(pk) for pk in ids]):
        delete_open(_beside(place).filter(reason=Reason.DISAGREEMENT))
        return 0
    extra = [_extra(place, overlap + number, now) for number in range(rule.extra)]
    Assignment.objects.bulk_create(extra, ignore_conflicts=True)
    return len(extra)


def answers_to(place: Assignment) -> list[Answers]:
    """What was answered in the planned places of the same item, protocol, stratum and wave; corrected answers as they
    were corrected."""
    rows = _beside(place).filter(reason=Reason.PLANNED, state=State.DONE)
    # by the name of the relation: judgements live in an app above this one
    current = rows.filter(judgements__isnull=False, judgements__replaced_by__isnull=True)
    return list(current.values_list("judgements__answers", flat=True))


def _beside(place: Assignment) -> QuerySet[Assignment]:
    """All places of the same item, protocol, stratum and wave."""
    return Assignment.objects.filter(
        item=place.item_id,
        study=place.study_id,
        step=place.step,
        protocol=place.protocol,
        stratum=place.stratum,
        wave=place.wave,
        rehearsal=place.rehearsal,
    )


def _extra(place: Assignment, copy: int, now: datetime) -> Assignment:
    return Assignment(
        study_id=place.study_id,
        version_id=place.version_id,
        step=place.step,
        item_id=place.item_id,
        protocol=place.protocol,
        stratum=place.stratum,
        wave=place.wave,
        reason=Reason.DISAGREEMENT,
        copy=copy,
        key=FIRST,
        rehearsal=place.rehearsal,
        created_at=now,
    )
