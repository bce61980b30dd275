"""Where somebody stands who waits for room to talk."""

import math
from dataclasses import dataclass
from datetime import datetime, timedelta

from django.db.models import Count, Q, QuerySet

from annotation.conversations.capacity import Load, Loads, capacity_of
from annotation.conversations.models import Admission
from annotation.conversations.queries import step_of
from annotation.participation.models import Participation
from annotation.studies.models import StudyVersion

LOOKED_LATELY = timedelta(seconds=60)
# an estimate is made from the last so many minutes, where at least so many people were let in
OBSERVED, ENOUGH = timedelta(minutes=15), 3


@dataclass(frozen=True, slots=True)
class InLine:
    """Where somebody stands who waits for room: how many are before them for any of their models, of whatever study,
    and about how many minutes it takes, where enough of those were let in lately to say so. `answers`: whether the
    models answer at all."""

    admitted: bool
    ahead: int
    minutes: int | None
    answers: bool

    @property
    def state(self) -> str:
        """What is said about it, in short: the same for as long as the same is said."""
        return f"{self.admitted:d}.{self.ahead}.{self.minutes or 0}.{self.answers:d}"


def line_of(participation: Participation, now: datetime) -> InLine | None:
    """The person's place in line; `None` where they stand in none."""
    rows = Admission.objects.filter(state__in=(Admission.State.WAITING, Admission.State.ADMITTED))
    mine = rows.filter(participation=participation).select_related("version").first()
    if mine is None:
        return None
    step = step_of(mine.version, mine.step)
    loads = Loads(now)
    load = loads.of(mine.version, mine.step)
    before = Q(asked_at__lt=mine.asked_at) | Q(asked_at=mine.asked_at, pk__lt=mine.pk)
    waiting = rows.filter(before, state=Admission.State.WAITING, seen_at__gt=now - LOOKED_LATELY)
    waiting = waiting.filter(participation__state=Participation.State.ACTIVE)
    ahead = _sharing(waiting, load, loads)
    lately = _sharing(Admission.objects.filter(admitted_at__gt=now - OBSERVED), load, loads)
    minutes = math.ceil((ahead + 1) * OBSERVED.total_seconds() / 60 / lately) if lately >= ENOUGH else None
    target = step.admission.first_token if step.admission else 0.0
    answers = bool(load) and all(capacity_of(pk, target, now) for pk in load)
    return InLine(mine.state == Admission.State.ADMITTED, ahead, minutes, answers)


def _sharing(rows: QuerySet[Admission], load: Load, loads: Loads) -> int:
    """How many of them would ask one of these models. Looks at each step that people wait for, not at everybody."""
    steps = list(rows.order_by().values_list("version", "step").annotate(count=Count("pk")))
    versions = StudyVersion.objects.in_bulk({version for version, _, _ in steps})
    return sum(count for pk, step, count in steps if load.keys() & loads.of(versions[pk], step).keys())
