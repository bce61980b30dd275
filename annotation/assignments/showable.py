"""Which items of a set a comparisons step can show, to people or to bots, and which of them get places of their own."""

from django.db.models import Exists, OuterRef, QuerySet

from annotation.assignments.models import StepPlaces
from annotation.assignments.policies import POLICIES
from annotation.items.models import OF_BOTS, Candidate, Item
from annotation.studies.document.arrangements import candidates_judged
from annotation.studies.document.comparisons import ComparisonsStep
from annotation.studies.models import StudyVersion
from annotation.studies.queries import document_of


def ready(version: StudyVersion, step: ComparisonsStep, *, rehearsal: bool) -> QuerySet[Item]:
    """The items of the step's set that are not held and have every candidate there."""
    unfinished = Candidate.objects.filter(item=OuterRef("pk")).exclude(state=Candidate.State.FINAL)
    items = Item.objects.filter(
        ~Exists(unfinished), item_set__study=version.study_id, item_set__name=step.items, held=""
    )
    return items if rehearsal else items.exclude(made_from__has_key=OF_BOTS)


def showable(version: StudyVersion, step: ComparisonsStep, *, rehearsal: bool) -> QuerySet[Item]:
    """Those of them that every protocol of the step can judge."""
    fewest, most = candidates_judged(document_of(version), step.protocol)
    candidates = Candidate.objects.filter(item=OuterRef("pk"))
    items = POLICIES[step.select].placed(ready(version, step, rehearsal=rehearsal))
    items = items.filter(~Exists(candidates.filter(position__gte=most)))
    return items.filter(Exists(candidates.filter(position__gte=fewest - 1))) if fewest else items


def not_mixed_in(items: QuerySet[Item], step: ComparisonsStep) -> QuerySet[Item]:
    """Without those with a known answer, where there is a rate of gold: they get no places of their own."""
    return items.filter(gold={}) if step.gold else items


def items_to_place(version: StudyVersion, step: ComparisonsStep, *, rehearsal: bool) -> QuerySet[Item]:
    """The items that get places, as much of them as policies look at, in the order of the set."""
    items = not_mixed_in(showable(version, step, rehearsal=rehearsal), step)
    if POLICIES[step.select].candidates:
        items = items.prefetch_related("candidates")
    return items.only("ordinal", "tags").order_by("ordinal", "pk")


def count_placed(version: StudyVersion, step: ComparisonsStep, *, rehearsal: bool) -> int:
    """How many items get places: as they were when places were last made, or counted now."""
    row = StepPlaces.objects.filter(study=version.study_id, step=step.name).first()
    known = row.seen.get("placed") if row and not rehearsal else None
    return int(known) if known is not None else items_to_place(version, step, rehearsal=rehearsal).count()


def count_not_showable(version: StudyVersion, step: ComparisonsStep) -> int:
    """How many items are ready, but have too few or too many candidates for one of the step's protocols. Those do not
    count out of which its policy makes smaller ones."""
    judged_whole = POLICIES[step.select].placed(ready(version, step, rehearsal=False))
    return judged_whole.count() - showable(version, step, rehearsal=False).count()
