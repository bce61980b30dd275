"""Places for rehearsal bots: made when bots ask, so that they take none from people."""

from datetime import datetime

from django.db.models import Exists, OuterRef

from annotation.assignments.models import Assignment
from annotation.assignments.policies import POLICIES
from annotation.assignments.services.places import COUNTED, Plan, derive, open_for
from annotation.assignments.services.writing import collect_written
from annotation.participation.models import Participation
from annotation.studies.document.comparisons import ComparisonsStep
from annotation.studies.models import Study

AT_ONCE = 20


def open_for_bots(*, participation: Participation, step: ComparisonsStep, stratum: str, now: datetime) -> int:
    """Places for bots at the next items of the set, with the step's whole overlap; when every item has them, another
    round begins. How many were made."""
    collect_written(study=participation.study, now=now)
    # one bot at a time makes places, so that the others find them
    Study.objects.select_for_update(no_key=True).only("pk").get(pk=participation.study_id)
    bots = Assignment.objects.filter(study=participation.study_id, step=step.name, rehearsal=True, reason__in=COUNTED)
    last = bots.order_by("-wave").values_list("wave", flat=True).first() or 0
    made = _open(participation, step, last, now)
    used_up = not bots.filter(stratum=stratum, state=Assignment.State.OPEN).exists()
    if not made and used_up and bots.exists():
        made = _open(participation, step, last + 1, now)
    return made


def _open(participation: Participation, step: ComparisonsStep, wave: int, now: datetime) -> int:
    plan = Plan(participation.version, step, (wave,), rehearsal=True)
    derive(plan, now)
    placed = plan.rows().filter(item=OuterRef("pk"), wave=wave)
    items = list(plan.items().filter(~Exists(placed))[:AT_ONCE])
    keys = POLICIES[step.select].keys(step, lambda: iter(items))
    return open_for(plan, items, keys, now)
