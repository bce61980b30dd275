"""Leasing: who judges what next, claimed so that no two people ever get the same place."""

from dataclasses import dataclass
from datetime import datetime, timedelta

from django.db import transaction
from django.db.models import QuerySet

from annotation.assignments.models import Assignment
from annotation.assignments.queries import (
    Tally,
    held_by,
    judged_before,
    not_had_by,
    not_judged_so_by,
    rows_of,
    tally_of,
)
from annotation.assignments.routing import owed, protocols_in_turn, repeatable, second_looks
from annotation.assignments.services.mixing import gold_place, repeat_of
from annotation.assignments.services.places_of_bots import open_for_bots
from annotation.assignments.services.returning import expire_overdue, give_back
from annotation.assignments.services.showing import show
from annotation.assignments.strata import stratum_of
from annotation.participation.models import Participation
from annotation.studies.document.comparisons import ComparisonsStep
from annotation.studies.queries import document_of

State = Assignment.State


def lease_next(*, participation: Participation, step: ComparisonsStep, now: datetime) -> Assignment | None:
    """The place that this person holds; else the next one is leased to them, and how its candidates are shown is
    stored. `None`: there is nothing (more) for them in this step. A reload gets the same place again.

    The place comes with its item and candidates loaded. The person's own row is locked meanwhile, so that two tabs get
    the same place and nobody comes over the maximum."""
    with transaction.atomic():
        tally = _locked_tally(participation, step, now)
        if tally.held and (place := _on_screen(participation, step, now)):
            return place
        if tally.held:
            # nothing of what they hold may be shown any more
            give_back(participation=participation, step=step, now=now)
            tally = tally_of(participation, step.name)
        return _lease(participation, step, tally, now, ahead=False)


def lease_ahead(*, participation: Participation, step: ComparisonsStep, now: datetime) -> Assignment | None:
    """One place more than the one on the screen, so that the page can fetch it: the next `lease_next` gives it. The
    second time it is the same; `None` where there is nothing more, or nothing on the screen."""
    with transaction.atomic():
        tally = _locked_tally(participation, step, now)
        if tally.ahead or tally.held != 1:
            return held_by(participation, step.name).filter(ahead=True).first()
        return _lease(participation, step, tally, now, ahead=True)


def _locked_tally(participation: Participation, step: ComparisonsStep, now: datetime) -> Tally:
    # locks the row as well: who judges is there, and keeps a seat that they have
    Participation.objects.filter(pk=participation.pk).update(last_seen_at=now)
    return tally_of(participation, step.name)


def _on_screen(participation: Participation, step: ComparisonsStep, now: datetime) -> Assignment | None:
    """What the person holds, from now on in front of them. Its time begins anew, whether it was over or not: nobody
    else has it. `None` where its item is held back by now."""
    place = held_by(participation, step.name).filter(item__held="").prefetch_related("item__candidates").first()
    if place is not None:
        place.leased_at = now if place.ahead else place.leased_at
        place.ahead, place.heartbeat_at, place.leased_until = False, now, lease_end(step, now)
        place.save(update_fields=["ahead", "leased_at", "heartbeat_at", "leased_until"])
    return place


def _lease(
    participation: Participation, step: ComparisonsStep, tally: Tally, now: datetime, *, ahead: bool
) -> Assignment | None:
    stratum = stratum_of(participation, document_of(participation.version), step)
    if stratum is None:
        return None
    desk = Desk(participation, step, stratum, tally, now, ahead)
    place = desk.next_place() or desk.next_place_after_making_room()
    if place is not None:
        show(place=place, step=step, now=now)
    return place


def lease_end(step: ComparisonsStep, now: datetime) -> datetime:
    return now + timedelta(minutes=step.lease)


@dataclass(frozen=True, slots=True)
class Desk:
    """Where one person asks for one place. Every way of finding it returns it leased, or `None`."""

    participation: Participation
    step: ComparisonsStep
    stratum: str
    tally: Tally
    now: datetime
    ahead: bool

    @property
    def had_enough(self) -> bool:
        most = self.step.per_person.max
        return most is not None and self.tally.cards >= most

    @property
    def came_back(self) -> bool:
        """They are here for what was kept for them, and for nothing new."""
        return self.participation.asked_back == self.step.name

    def next_place(self) -> Assignment | None:
        """What was kept for this person, then gold and repeats that are owed, then an item they know under another
        protocol and had time to forget, then a new one; at the end, what they had no time to forget."""
        if self.tally.kept and (kept := self._kept()):
            return kept
        if self.had_enough or self.came_back:
            return None
        due = owed(self.participation, self.step, self.tally)
        return (
            (self._gold() if due.gold else None)
            or (self._repeat() if due.repeat else None)
            or self._second_look(soon=False)
            or self._new()
            or self._second_look(soon=True)
        )

    def next_place_after_making_room(self) -> Assignment | None:
        """Once more, when leases that ran out are open again; for a bot, when there are places for bots."""
        if self.had_enough or self.came_back:
            return None
        room = expire_overdue(now=self.now, study_id=self.participation.study_id, step=self.step.name) > 0
        if not room and self.participation.rehearsal:
            open_for_bots(participation=self.participation, step=self.step, stratum=self.stratum, now=self.now)
            # also where they were made by another bot, for whom this one waited
            room = True
        return self.next_place() if room else None

    def _new(self) -> Assignment | None:
        unknown = not_had_by(self.participation, self.step.name)
        for protocol in protocols_in_turn(self.participation, self.step):
            if place := self._claim(self._open(protocol).filter(unknown)):
                return place
        return None

    def _second_look(self, *, soon: bool) -> Assignment | None:
        if len(self.step.protocol) == 1 or not self.tally.cards:
            return None
        known = list(judged_before(self.participation, self.step.name))
        looks = second_looks(self.step, known, soon=soon)
        free = {
            (item, protocol)
            for protocol in self.step.protocol
            for item in self._open(protocol)
            .filter(not_judged_so_by(self.participation), item__in=[one for one, of in looks if of == protocol])
            .values_list("item", flat=True)
        }
        for item, protocol in looks:
            # what somebody has taken meanwhile is passed over
            if (item, protocol) in free and (place := self._claim(self._open(protocol).filter(item=item))):
                return place
        return None

    def _gold(self) -> Assignment | None:
        made = gold_place(participation=self.participation, step=self.step, stratum=self.stratum, now=self.now)
        return made and self._take(made)

    def _repeat(self) -> Assignment | None:
        cards = list(judged_before(self.participation, self.step.name))
        may = repeatable(self.step, cards)
        return self._take(repeat_of(first=may[0], now=self.now)) if may else None

    def _kept(self) -> Assignment | None:
        kept = rows_of(self.participation, self.step.name).filter(state=State.OPEN).order_by("key", "pk")
        return self._claim(kept, version=False)

    def _open(self, protocol: str) -> QuerySet[Assignment]:
        """Open places in their order. This is what the index `open_places_in_order` holds; conditions that are added
        only pass over some of them."""
        return Assignment.objects.filter(
            study=self.participation.study_id,
            step=self.step.name,
            protocol=protocol,
            stratum=self.stratum,
            # not `rehearsal=`, which says NOT rehearsal: SQLite would leave the index there, and sort
            rehearsal__in=[self.participation.rehearsal],
            state=State.OPEN,
            participation__isnull=True,
            item__held="",
        ).order_by("key")

    def _claim(self, places: QuerySet[Assignment], *, version: bool = True) -> Assignment | None:
        """The first that nobody else is claiming at this moment. On SQLite writers queue, so it is simply the first."""
        free = places.select_related("item").select_for_update(skip_locked=True, of=("self",))
        place = free.first()
        if place is None:
            return None
        if version:
            place.version = self.participation.version
        return self._take(place)

    def _take(self, place: Assignment) -> Assignment:
        place.participation, place.state, place.ahead = self.participation, State.LEASED, self.ahead
        place.leased_at, place.leased_until = self.now, lease_end(self.step, self.now)
        place.heartbeat_at = None if self.ahead else self.now
        place.save()
        return place
