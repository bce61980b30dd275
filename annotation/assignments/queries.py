"""Reads about places: what somebody holds, has had and may still get in a comparisons step."""

from dataclasses import dataclass
from uuid import UUID

from django.db.models import Count, Exists, F, OuterRef, Q, QuerySet

from annotation.assignments.models import Assignment
from annotation.items.models import MediaFile
from annotation.participation.models import Participation
from annotation.studies.document.comparisons import ComparisonsStep

State, Reason = Assignment.State, Assignment.Reason


@dataclass(frozen=True, slots=True)
class Tally:
    """What somebody has done in a step. `cards` counts what was judged and what is held, gold and repeats too, but not
    what is judged again after a change of the question; `done` those of them that are judged. `credited`: answered too
    late, when the place was gone."""

    cards: int = 0
    done: int = 0
    gold: int = 0
    repeats: int = 0
    held: int = 0
    ahead: int = 0
    kept: int = 0
    skipped: int = 0
    credited: int = 0


def rows_of(participation: Participation, step: str) -> QuerySet[Assignment]:
    """Every place in the step that this person has or had."""
    return Assignment.objects.filter(participation=participation, step=step)


def tally_of(participation: Participation, step: str) -> Tally:
    """One query, over this person's places alone."""
    mine = Q(state__in=[State.LEASED, State.DONE])
    cards = mine & ~Q(reason=Reason.REGRADE)
    return Tally(
        **rows_of(participation, step).aggregate(
            cards=Count("pk", filter=cards),
            done=Count("pk", filter=cards & Q(state=State.DONE)),
            gold=Count("pk", filter=mine & Q(reason=Reason.GOLD)),
            repeats=Count("pk", filter=mine & Q(reason=Reason.REPEAT)),
            held=Count("pk", filter=Q(state=State.LEASED)),
            ahead=Count("pk", filter=Q(state=State.LEASED, ahead=True)),
            kept=Count("pk", filter=Q(state=State.OPEN)),
            skipped=Count("pk", filter=Q(state=State.SKIPPED)),
            credited=Count("pk", filter=Q(state=State.EXPIRED, credited=True)),
        )
    )


def held_by(participation: Participation, step: str) -> QuerySet[Assignment]:
    """The places that this person holds, the one on the screen first."""
    held = rows_of(participation, step).filter(state=State.LEASED)
    return held.select_related("presentation", "version", "item").order_by("ahead", "leased_at")


def not_had_by(participation: Participation, step: str) -> Q:
    """Places of items that this person did not write and has not had: not in this step under any protocol, and nowhere
    under the same one. Who skipped an item has had it; whose lease ran out has not."""
    mine = _had(participation, item="item").filter(Q(step=step) | Q(protocol=OuterRef("protocol")))
    return ~Exists(mine) & not_written_by(participation)


def not_judged_so_by(participation: Participation) -> Q:
    """Places of items that this person has not had under the same protocol, in any step."""
    return Q(~Exists(_had(participation, item="item").filter(protocol=OuterRef("protocol"))))


def not_had_as(protocol: str, participation: Participation, step: str) -> Q:
    """Items of which a place under that protocol would be new to this person."""
    return Q(~Exists(_had(participation, item="pk").filter(Q(step=step) | Q(protocol=protocol))))


def _had(participation: Participation, *, item: str) -> QuerySet[Assignment]:
    mine = Assignment.objects.filter(participation=participation, item=OuterRef(item))
    return mine.exclude(state=State.EXPIRED)


def not_written_by(participation: Participation) -> Q:
    return Q(item__author_id__isnull=True) | ~Q(item__author_id=participation.pk)


def enough_judged(step: ComparisonsStep, tally: Tally) -> bool:
    """Whether the step can be left while there are places."""
    return tally.done + tally.credited >= step.per_person.min


def places_filled(study_id: int, step: str) -> dict[tuple[str, str], int]:
    """(stratum, state) → how many places of people."""
    rows = Assignment.objects.filter(study_id=study_id, step=step, rehearsal=False)
    counted = rows.values_list("stratum", "state").annotate(n=Count("pk")).order_by("stratum", "state")
    return {(stratum, state): count for stratum, state, count in counted}


def judged_before(participation: Participation, step: str) -> QuerySet[Assignment]:
    """This person's cards in the order in which they came, the oldest first; without those judged again."""
    rows = rows_of(participation, step).filter(state__in=[State.LEASED, State.DONE]).exclude(reason=Reason.REGRADE)
    return rows.order_by(F("leased_at").asc(nulls_first=True), "pk")


def media_for(participation: Participation, media_id: UUID) -> MediaFile | None:
    """A file that this person may see: they have, or had, a place with an item of its set."""
    places = Assignment.objects.filter(participation=participation, item__item_set=OuterRef("item_set"))
    return MediaFile.objects.filter(Exists(places), pk=media_id).first()
