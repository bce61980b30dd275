"""When places are made: after a version was published, items came or a wave was opened. A sweep looks, cheaply, whether
anything is missing, and makes up for whatever nobody told it."""

from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Any

import structlog
from django.db import transaction
from django.db.models import Count, F, Max, Q, Sum

from annotation.accounts.services import record_audit
from annotation.assignments.models import Assignment, StepPlaces
from annotation.assignments.policies import POLICIES
from annotation.assignments.services.places import open_places
from annotation.assignments.services.writing import collect_written
from annotation.assignments.showable import items_to_place
from annotation.common.errors import ConflictError
from annotation.items.models import Item, SetJob
from annotation.studies.document.comparisons import ComparisonsStep
from annotation.studies.models import Study, StudyVersion
from annotation.studies.queries import document_of

# so long what was seen is trusted: a candidate can become final without any job
LOOK_AGAIN = timedelta(hours=1)
log = structlog.get_logger()


def open_missing_places(*, now: datetime, study_id: int | None = None) -> int:
    """Make the places that are missing, in one study or in all that are not closed. How many. Steps about which nothing
    has changed since the last time are passed over."""
    return _for_each_study(lambda study: _open_all(study, now), study_id)


def refresh_keys_everywhere() -> int:
    """Have policies that learn from judgements order the open places anew, in all studies that are not closed. In how
    many steps."""
    return _for_each_study(lambda study: sum(refresh_keys(study=study, step=one) for one in comparisons_steps(study)))


def _for_each_study(do: Callable[[Study], int], study_id: int | None = None) -> int:
    """Do it in each study that is published and not closed. One that fails keeps no other from its turn."""
    studies = Study.objects.filter(current__isnull=False).exclude(state=Study.State.CLOSED).select_related("current")
    if study_id is not None:
        return sum(do(study) for study in studies.filter(pk=study_id))
    count = 0
    for study in studies:
        try:
            count += do(study)
        except Exception as error:  # noqa: BLE001 - whatever is wrong with one study is not wrong with the others
            log.error("places_of_study_failed", study=study.pk, error=type(error).__name__)  # noqa: TRY400 - a trace may hold texts
    return count


def _open_all(study: Study, now: datetime) -> int:
    collect_written(study=study, now=now)
    return sum(_open(study, step, now) for step in comparisons_steps(study))


def open_next_wave(*, study: Study, step: ComparisonsStep, actor: str, now: datetime) -> int:
    """Open a step's next wave: its whole overlap once more. Which number it has, from 0. Raises `ConflictError` when
    all waves that the document allows are open."""
    with transaction.atomic():
        row = _row(study, step)
        opened = StepPlaces.objects.filter(pk=row.pk, waves__lt=step.waves).update(waves=F("waves") + 1)
        if not opened:
            raise ConflictError(f"{step.name} has {step.waves} waves in the document, and all of them are open.")
        row.refresh_from_db()
        details = {"step": step.name, "wave": row.waves - 1}
        record_audit(actor=actor, action="study.open_wave", subject=study.slug, now=now, details=details)
    return row.waves - 1


def comparisons_steps(study: Study) -> list[ComparisonsStep]:
    """The comparisons steps of what is published."""
    steps = document_of(study.current).steps if study.current else ()
    return [step for step in steps if isinstance(step, ComparisonsStep)]


def _row(study: Study, step: ComparisonsStep) -> StepPlaces:
    return StepPlaces.objects.get_or_create(study=study, step=step.name)[0]


def _open(study: Study, step: ComparisonsStep, now: datetime) -> int:
    assert study.current is not None  # noqa: S101 - it was asked for
    row = _row(study, step)
    # looked at before: what changes meanwhile is seen the next time
    seen = _seen(study.current, step, row)
    made = 0
    if row.seen.get("items") != seen or row.opened_at is None or row.opened_at <= now - LOOK_AGAIN:
        made = open_places(version=study.current, step=step, now=now)
        # the set may be large, and every card says how many there are
        _remember(row, items=seen, placed=items_to_place(study.current, step, rehearsal=False).count())
        StepPlaces.objects.filter(pk=row.pk).update(opened_at=now)
    return made


def _remember(row: StepPlaces, **seen: Any) -> None:
    """Write down what was seen, beside what other jobs have written down meanwhile."""
    with transaction.atomic():
        fresh = StepPlaces.objects.select_for_update().get(pk=row.pk)
        StepPlaces.objects.filter(pk=row.pk).update(seen=fresh.seen | seen)


def refresh_keys(*, study: Study, step: ComparisonsStep) -> bool:
    """Have a policy that learns from judgements order the open places anew, if there are new ones. Bots' places stay as
    they are. Whether it did."""
    policy = POLICIES[step.select]
    if not policy.rekeys:
        return False
    row = _row(study, step)
    places = Assignment.objects.filter(study=study, step=step.name, rehearsal=False)
    judged = places.filter(state=Assignment.State.DONE).count()
    if row.seen.get("judged", 0) == judged:
        return False
    policy.rekey(places=places, step=step)
    _remember(row, judged=judged)
    return True


def _seen(version: StudyVersion, step: ComparisonsStep, row: StepPlaces) -> dict[str, Any]:
    items = Item.objects.filter(item_set__study=version.study_id, item_set__name=step.items)
    jobs = SetJob.objects.filter(item_set__study=version.study_id, item_set__name=step.items)
    counted = items.aggregate(items=Count("pk"), held=Count("pk", filter=~Q(held="")), newest=Max("created_at"))
    worked = jobs.aggregate(worked=Sum("done"), ended=Max("ended_at"))
    times = {name: str(value) for name, value in (counted | worked).items()}
    return times | {"version": version.pk, "waves": row.waves}
