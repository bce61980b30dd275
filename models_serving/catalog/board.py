"""Who is asked how much, in the database: all processes that ask a model's endpoints share what they know of them.
Whoever has asked for a place holds no connection afterwards.

A place is a row with an end, so a process that is killed holds it no longer than its request could have lasted. Takers
of one model queue at the rows of its endpoints; nothing slow happens while they are locked."""

import math
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from django.db import connection, transaction
from django.db.models import Q
from django.utils import timezone

from models_serving.catalog.hours import count_end
from models_serving.catalog.models import FirstToken, OpenRequest, ServedEndpoint, ServedModel
from models_serving.catalog.queries import endpoint_of, under_way
from models_serving.catalog.waiting import Lines
from models_serving.client import NoPlace, Place, honoured, nobody_able
from models_serving.client.choosing import Standing, pick, soonest, stands_after, stands_begun
from models_serving.contracts import Failed, Finished

# for the writing down after the request's own time
GRACE = timedelta(seconds=10)
ON = ServedEndpoint.State.ON
# one in so many of an endpoint's places is kept for people, who would wait; a batch can
KEPT_FOR_PEOPLE = 4
LINES = Lines()


@dataclass(frozen=True, slots=True)
class Ticket:
    """The row of a place, and how many requests were under way at its endpoint with it."""

    row: int
    load: int


class CatalogBoard:
    """The endpoints of one model, as all processes see them. `live`: somebody waits for what is asked here."""

    def __init__(
        self, served_model: ServedModel, clock: Callable[[], datetime] = timezone.now, *, live: bool = True
    ) -> None:
        self._model = served_model
        self._clock = clock
        self._live = live

    def take(
        self,
        tried: frozenset[int],
        seconds: float,
        *,
        needs: frozenset[str] = frozenset(),
        without: frozenset[int] = frozenset(),
    ) -> Place | NoPlace:
        kind = (self._model.pk, self._live, needs, without)
        if not LINES.may_look(kind, self):
            LINES.wait(kind, self)
            return NoPlace("every endpoint is full or at rest, and others have waited for longer")
        try:
            found = self._taken(tried, seconds, needs, without)
        finally:
            if not connection.in_atomic_block:
                # what follows is waiting, for the model or for a place, and a worker has fewer connections than jobs
                connection.close()
        if isinstance(found, Place):
            LINES.step_out(kind, self)
        elif not found.final:
            LINES.wait(kind, self)
        return found

    def _taken(
        self, tried: frozenset[int], seconds: float, needs: frozenset[str], without: frozenset[int]
    ) -> Place | NoPlace:
        now = self._clock()
        with transaction.atomic():
            switched_on = self._locked()
            if not switched_on:
                return NoPlace("no endpoint of the model is switched on", final=True)
            left = {one: endpoint_of(one) for one in switched_on if one.pk not in without}
            endpoints = [one for one, endpoint in left.items() if needs <= honoured(endpoint)]
            if not endpoints:
                return nobody_able(left.values(), needs)
            taken = under_way(endpoints, now)
            standings = [_standing(one, taken[one.pk], live=self._live) for one in endpoints]
            numbers = {number for number, one in enumerate(endpoints) if one.pk in tried}
            number = pick(standings, now.timestamp(), numbers)
            if number is None:
                seconds = soonest(standings, now.timestamp())
                return NoPlace("every endpoint is full or at rest after failures", seconds=seconds)
            chosen, standing = endpoints[number], standings[number]
            row = OpenRequest.objects.create(endpoint=chosen, until=now + timedelta(seconds=seconds) + GRACE)
        among = frozenset(one.pk for one in endpoints)
        ticket, on_trial = Ticket(row.pk, standing.in_flight + 1), standing.is_on_trial
        return Place(chosen.pk, left[chosen], chosen.asked_as, str(chosen), ticket, among, on_trial)

    def begun(self, place: Place) -> None:
        with transaction.atomic():
            if row := ServedEndpoint.objects.select_for_update(no_key=True).filter(pk=place.key).first():
                _stand(row, stands_begun(_standing(row, 0)))
        if not connection.in_atomic_block:
            # the rest of the answer is waited for without one
            connection.close()

    def give_back(
        self, place: Place, end: Finished | Failed | None, waited: float | None = None, *, hurried: bool = False
    ) -> None:
        ticket: Ticket = place.ticket
        now = self._clock()
        with transaction.atomic():
            # the endpoint's row first, as takers do, so that no two of these delete the same rows in different orders
            self._note_end(place.key, end, now, hurried=hurried)
            # what nobody gave back counts no more once its time is over, and is cleared away here
            OpenRequest.objects.filter(Q(pk=ticket.row) | Q(endpoint=place.key, until__lte=now)).delete()
            if waited is not None and end is not None and (seconds := _first_token(end)) is not None:
                seconds += waited
                FirstToken.objects.create(endpoint_id=place.key, load=ticket.load, seconds=seconds, at=now)

    def _locked(self) -> list[ServedEndpoint]:
        """The model's endpoints that are switched on. Those of other models that share places with them are locked,
        too: all in the order of their keys, so that two takers never wait for each other."""
        own = Q(served_model=self._model)
        servers = ServedEndpoint.objects.filter(own).exclude(server="").values("server")
        rows = ServedEndpoint.objects.select_for_update(no_key=True).order_by("pk")
        found = list(rows.filter(own | Q(server__in=servers)))
        if not found and (self._model.url or self._model.backend != "openai_compatible"):
            ServedEndpoint.objects.get_or_create(served_model=self._model, url="")
            found = list(rows.filter(own))
        mine = [one for one in found if one.served_model_id == self._model.pk and one.state == ON]
        for one in mine:
            one.served_model = self._model
        return mine

    @staticmethod
    def _note_end(pk: int, end: Finished | Failed | None, now: datetime, *, hurried: bool) -> None:
        row = ServedEndpoint.objects.select_for_update(no_key=True).filter(pk=pk).first()
        if row is None:
            return
        if end is not None:
            count_end(row, end, now)
        _stand(row, stands_after(_standing(row, 0), end, now.timestamp(), hurried=hurried))


def batch_has_room(served_model: ServedModel, now: datetime) -> bool:
    """Whether asking for something that nobody waits for is worth while: one of the model's endpoints has a place, or
    none is there that could have one later."""
    rows = list(served_model.endpoints.filter(state=ON).exclude(rests_until__gt=now))
    taken = under_way(rows, now)
    return not rows or any(taken[row.pk] < _open_to_batches(row.most_at_once) for row in rows)


def _open_to_batches(most: int) -> int:
    return max(most - math.ceil(most / KEPT_FOR_PEOPLE), 1)


def _standing(row: ServedEndpoint, in_flight: int, *, live: bool = True) -> Standing:
    return Standing(
        in_flight=in_flight,
        most_at_once=row.most_at_once if live else _open_to_batches(row.most_at_once),
        well=row.health != ServedModel.Health.UNHEALTHY,
        failures=row.failures,
        rests_until=row.rests_until.timestamp() if row.rests_until else 0.0,
    )


def _stand(row: ServedEndpoint, stands: tuple[int, float]) -> None:
    """Store its failures in a row and the end of its rest, where they are others than before."""
    failures, rests_until = stands
    before = _standing(row, 0)
    if stands != (before.failures, before.rests_until):
        row.failures = failures
        row.rests_until = datetime.fromtimestamp(rests_until, UTC) if rests_until else None
        row.save(update_fields=["failures", "rests_until"])


def _first_token(end: Finished | Failed) -> float | None:
    """Seconds to the first token; where a request gave up waiting for it, how long it had waited."""
    if end.timings.first_token is not None:
        return end.timings.first_token
    return end.timings.finished if isinstance(end, Failed) and end.kind == "timeout" else None


def is_at_rest(row: ServedEndpoint, now: datetime) -> bool:
    """Whether it is asked nothing now: the breaker is open, or it asked for that itself."""
    return row.rests_until is not None and row.rests_until > now
