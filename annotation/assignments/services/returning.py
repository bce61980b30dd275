"""Leases that are renewed, given back, skipped, run out, or taken up again too late."""

from collections.abc import Sequence
from datetime import datetime, timedelta
from uuid import UUID

from django.db import transaction
from django.db.models import Q, QuerySet
from django.utils.translation import gettext as _

from annotation.assignments.models import Assignment, Presentation
from annotation.assignments.queries import tally_of
from annotation.assignments.services.places import COUNTED, is_asked_for
from annotation.common.errors import ConflictError, DomainError, NotFoundError
from annotation.participation.models import Participation
from annotation.studies.document.comparisons import ComparisonsStep
from annotation.studies.models import Study
from annotation.studies.queries import document_of

State, Reason = Assignment.State, Assignment.Reason
AT_ONCE = 500
MOST_REASON_CHARS = 80


def heartbeat(*, participation: Participation, step: ComparisonsStep, now: datetime) -> datetime | None:
    """The person is there: what they hold in this step is theirs for another while. Until when, or `None` where they
    hold nothing (any more)."""
    until = now + timedelta(minutes=step.lease)
    Participation.objects.filter(pk=participation.pk).update(last_seen_at=now)
    held = Assignment.objects.filter(participation=participation, step=step.name, state=State.LEASED)
    return until if held.update(leased_until=until, heartbeat_at=now) else None


def give_back(*, participation: Participation, step: ComparisonsStep, now: datetime, unseen_only: bool = False) -> int:
    """The person leaves: what they hold is open to others, and to them again. `unseen_only`: only what was leased
    ahead. How many."""
    held = Assignment.objects.filter(participation=participation, step=step.name, state=State.LEASED)
    return _release(held.filter(ahead=True) if unseen_only else held, now)


def skip_place(
    *, assignment_id: UUID, participation: Participation, step: ComparisonsStep, reason: str, now: datetime
) -> None:
    """The person gives the item back unjudged and does not get it again; others do. A second time nothing happens.
    Raises `ConflictError` where skipping is not allowed, or not any more, and `DomainError` for a reason that the step
    does not offer."""
    if step.skip is None:
        raise ConflictError(_("Items cannot be skipped here."))
    if step.skip.reasons and reason not in step.skip.reasons:
        raise DomainError(_("Say why you skip this item."), field="reason")
    if len(reason) > MOST_REASON_CHARS:
        raise DomainError(_("Say it in %(most)s characters or fewer.") % {"most": MOST_REASON_CHARS}, field="reason")
    with transaction.atomic():
        Participation.objects.select_for_update(no_key=True).values_list("pk").get(pk=participation.pk)
        mine = Assignment.objects.select_for_update(of=("self",)).filter(participation=participation, step=step.name)
        place = mine.filter(pk=assignment_id).first()
        if place is None:
            raise NotFoundError(_("There is nothing to skip here."))
        if place.state == State.SKIPPED:
            return
        if place.state != State.LEASED:
            raise ConflictError(_("This has been answered already, or is not open any more."))
        if step.skip.max is not None and tally_of(participation, step.name).skipped >= step.skip.max:
            raise ConflictError(_("You have skipped as many items as you may."))
        place.state, place.skip_reason, place.ahead = State.SKIPPED, reason, False
        place.save(update_fields=["state", "skip_reason", "ahead"])
        _open_again([place], now)


def expire_overdue(*, now: datetime, study_id: int | None = None, step: str | None = None) -> int:
    """Open the places of leases that ran out, everywhere or in one step. How many. Rows that somebody works on at this
    moment are passed over."""
    overdue = Assignment.objects.filter(state=State.LEASED, leased_until__lt=now).exclude(reason=Reason.LIVE)
    if study_id is not None:
        overdue = overdue.filter(study=study_id, step=step)
    count = 0
    while released := _release(overdue, now):
        count += released
    return count


def reopen_withdrawn(*, now: datetime) -> int:
    """Open again what counts towards the overlap and was judged, or is held, by people who have withdrawn: no release
    has their answers, so somebody else's have to come (*done or leased → withdrawn*). How many."""
    theirs = Assignment.objects.filter(
        state__in=[State.LEASED, State.DONE],
        reason__in=COUNTED,
        participation__state=Participation.State.WITHDRAWN,
    )
    count = 0
    while released := _reopen(theirs, now):
        count += released
    return count


def _reopen(rows: QuerySet[Assignment], now: datetime) -> int:
    with transaction.atomic():
        places = list(rows.select_for_update(skip_locked=True, of=("self",)).order_by("pk")[:AT_ONCE])
        ids = [place.pk for place in places]
        Assignment.objects.filter(pk__in=ids).update(state=State.WITHDRAWN, ahead=False)
        _open_again(places, now)
    return len(places)


class TakenError(ConflictError):
    """The answer came when its time was over, and there is no room for it any more."""

    def __init__(self) -> None:
        super().__init__(
            _(
                "Your time for this item was over and somebody else has taken it, so this answer could not be kept. "
                "It counts as done for you all the same."
            )
        )


def take_back(*, place: Assignment) -> None:
    """The person answers when the lease has run out: if nobody else has taken the place, it is theirs again (*expired →
    leased*), and the open row that followed goes. Raises `TakenError` where it is gone, or they have judged their
    number meanwhile. The caller holds the rows of person and place, and a transaction."""
    again = Assignment.objects.filter(
        item=place.item_id, protocol=place.protocol, participation=place.participation_id, repeat=place.repeat
    ).exclude(state=State.EXPIRED)
    if again.filter(~Q(state=State.OPEN)).exists() or _had_enough(place) or not _give_up_successor(place):
        raise TakenError
    place.state, place.ahead = State.LEASED, False
    place.save(update_fields=["state", "ahead"])


def credit_late(*, assignment_id: UUID) -> None:
    """Somebody answered whole, but their time was over and the place gone: it counts towards their least number."""
    Assignment.objects.filter(pk=assignment_id, state=State.EXPIRED).update(credited=True)


def _had_enough(place: Assignment) -> bool:
    step = next((one for one in document_of(place.version).steps if one.name == place.step), None)
    most = step.per_person.max if isinstance(step, ComparisonsStep) else None
    if most is None or place.reason == Reason.REGRADE or place.participation is None:
        return False
    return tally_of(place.participation, place.step).cards >= most


def _give_up_successor(place: Assignment) -> bool:
    """Delete the open row that followed this one, locked so that nobody can lease it meanwhile."""
    if place.reason not in COUNTED and place.reason != Reason.REGRADE:
        return True
    after = successors(place).select_for_update().first()
    if after is None:
        return False
    return after.delete()[0] > 0


def successors(place: Assignment) -> QuerySet[Assignment]:
    """The open row for the same copy, or for the same person to judge again."""
    return Assignment.objects.filter(
        item=place.item_id,
        study=place.study_id,
        step=place.step,
        protocol=place.protocol,
        stratum=place.stratum,
        wave=place.wave,
        rehearsal=place.rehearsal,
        copy=place.copy,
        reason=place.reason,
        repeat=place.repeat,
        state=State.OPEN,
        participation=place.participation_id if place.reason == Reason.REGRADE else None,
    )


def _release(rows: QuerySet[Assignment], now: datetime) -> int:
    """Take some leased places out of their holders' hands. What nobody has seen leaves no trace."""
    with transaction.atomic():
        places = list(rows.select_for_update(skip_locked=True, of=("self",)).order_by("pk")[:AT_ONCE])
        unseen = [place.pk for place in places if place.ahead]
        Presentation.objects.filter(assignment__in=unseen).delete()
        expired = Assignment.objects.filter(pk__in=[place.pk for place in places])
        expired.filter(state=State.LEASED).update(state=State.EXPIRED, ahead=False)
        _open_again(places, now)
        Assignment.objects.filter(pk__in=unseen).delete()
    return len(places)


def _open_again(places: Sequence[Assignment], now: datetime) -> None:
    """An open row after each place that counts towards the overlap and that the document still asks for, and for the
    same person where it was asked again. Gold and repeats are made anew when they are owed."""
    studies = Study.objects.select_related("current").in_bulk({place.study_id for place in places})
    Assignment.objects.bulk_create(
        Assignment(
            study_id=place.study_id,
            version_id=place.version_id,
            step=place.step,
            item_id=place.item_id,
            protocol=place.protocol,
            stratum=place.stratum,
            wave=place.wave,
            reason=place.reason,
            repeat=place.repeat,
            copy=place.copy,
            key=place.key,
            rehearsal=place.rehearsal,
            participation_id=place.participation_id if place.reason == Reason.REGRADE else None,
            created_at=now,
        )
        for place in places
        if (place.reason in COUNTED and is_asked_for(place, studies[place.study_id]))
        or (place.reason == Reason.REGRADE and place.state != State.SKIPPED)
    )
