"""Where somebody stands who waits for room to talk."""

import math
from dataclasses import dataclass
from datetime import datetime, timedelta

from django.db.models import Q

from annotation.conversations.capacity import capacity_of, load_of
from annotation.conversations.models import Admission
from annotation.conversations.queries import step_of
from annotation.participation.models import Participation

LOOKED_LATELY = timedelta(seconds=60)
# an estimate is made from the last so many minutes, where at least so many people were let in
OBSERVED, ENOUGH = timedelta(minutes=15), 3


@dataclass(frozen=True, slots=True)
class InLine:
    """Where somebody stands who waits for room: how many are before them, and about how many minutes it takes, where
    enough people were let in lately to say so. `answers`: whether the models answer at all."""

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
    before = Q(asked_at__lt=mine.asked_at) | Q(asked_at=mine.asked_at, pk__lt=mine.pk)
    same = Q(version__study=mine.version.study_id, state=Admission.State.WAITING)
    ahead = rows.filter(before & same, seen_at__gt=now - LOOKED_LATELY).count()
    lately = Admission.objects.filter(version__study=mine.version.study_id, admitted_at__gt=now - OBSERVED).count()
    minutes = math.ceil((ahead + 1) * OBSERVED.total_seconds() / 60 / lately) if lately >= ENOUGH else None
    step = step_of(mine.version, mine.step)
    target = step.admission.first_token if step.admission else 0.0
    answers = all(capacity_of(pk, target, now) for pk in load_of(mine.version, step))
    return InLine(mine.state == Admission.State.ADMITTED, ahead, minutes, answers)
