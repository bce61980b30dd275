"""Regrading: when a published version changes what is asked, people are asked for their earlier items again."""

from datetime import datetime
from itertools import islice
from typing import Any

from django.db import transaction
from django.db.models import Exists, OuterRef, Q, QuerySet, Subquery

from annotation.accounts.services import record_audit
from annotation.assignments.models import Assignment
from annotation.assignments.services.places import delete_open
from annotation.participation.models import Participation
from annotation.participation.services import ask_back
from annotation.studies.document import StudyDocument
from annotation.studies.document.comparisons import ComparisonsStep
from annotation.studies.models import Study
from annotation.studies.queries import document_of

AT_ONCE = 500
State, Reason = Assignment.State, Assignment.Reason


def ask_again(*, study: Study, step: ComparisonsStep, actor: str, now: datetime) -> int:
    """Keep a place for everybody for each item that they judged under an earlier wording of its protocol's questions,
    and ask those who are past the step to come back. How many places. What was asked for again in today's words
    already is not asked for once more. Earlier judgements stay as they are."""
    changed = versions_before_the_change(study, step)
    # what was asked for again in words that have changed since, and is not judged yet
    delete_open(_under(changed).filter(study=study, step=step.name, reason=Reason.REGRADE))
    count = 0
    judged = _judged(study, step, changed).select_related("participation__version").iterator(chunk_size=AT_ONCE)
    while batch := list(islice(judged, AT_ONCE)):
        # whoever has a place is asked back, also if this ends in the middle; a second job beside it adds nothing
        with transaction.atomic():
            rows = [_again(place, study, count + number, now) for number, place in enumerate(batch)]
            Assignment.objects.bulk_create(rows, ignore_conflicts=True)
            for person in {place.participation_id: place.participation for place in batch}.values():
                assert person is not None  # noqa: S101 - it was judged by somebody
                ask_back(participation=person, step=step.name)
        count += len(batch)
    details = {"step": step.name, "places": count}
    record_audit(actor=actor, action="study.ask_again", subject=study.slug, now=now, details=details)
    return count


def versions_before_the_change(study: Study, step: ComparisonsStep) -> dict[str, list[int]]:
    """Protocol → the versions in which its questions were others than now."""
    assert study.current is not None  # noqa: S101 - it has a step
    now = document_of(study.current)
    earlier = {version.pk: document_of(version) for version in study.versions.exclude(pk=study.current.pk)}
    return {
        protocol: [pk for pk, before in earlier.items() if _asked(before, protocol) != _asked(now, protocol)]
        for protocol in step.protocol
    }


def _asked(document: StudyDocument, protocol: str) -> dict[str, Any] | None:
    if protocol not in document.protocols:
        return None
    names = document.protocols[protocol].asked()
    return {name: document.questions[name].model_dump(mode="json") for name in names}


def _under(changed: dict[str, list[int]]) -> QuerySet[Assignment]:
    return Assignment.objects.filter(_in_versions(changed))


def _in_versions(changed: dict[str, list[int]]) -> Q:
    under = Q(pk__in=[])
    for protocol, versions in changed.items():
        under |= Q(protocol=protocol, version__in=versions)
    return under


def _judged(study: Study, step: ComparisonsStep, changed: dict[str, list[int]]) -> QuerySet[Assignment]:
    asked = Assignment.objects.filter(
        item=OuterRef("item"),
        protocol=OuterRef("protocol"),
        participation=OuterRef("participation"),
        reason=Reason.REGRADE,
    )
    # also by a version between then and now, which had the same words
    asked = asked.exclude(_in_versions(changed)).exclude(state=State.EXPIRED)
    same = Assignment.objects.filter(
        item=OuterRef("item"), protocol=OuterRef("protocol"), participation=OuterRef("participation")
    )
    rows = _under(changed).filter(~Exists(asked), study=study, step=step.name, state=State.DONE)
    rows = rows.filter(reason__in=[Reason.PLANNED, Reason.DISAGREEMENT], rehearsal=False)
    still_here = [Participation.State.ACTIVE, Participation.State.COMPLETED]
    rows = rows.annotate(last_repeat=Subquery(same.order_by("-repeat").values("repeat")[:1]))
    return rows.filter(participation__state__in=still_here).order_by("done_at", "pk")


def _again(place: Assignment, study: Study, number: int, now: datetime) -> Assignment:
    return Assignment(
        study=study,
        version=study.current,
        step=place.step,
        item_id=place.item_id,
        protocol=place.protocol,
        stratum=place.stratum,
        wave=place.wave,
        copy=place.copy,
        key=number,
        reason=Reason.REGRADE,
        repeat=place.last_repeat + 1,  # type: ignore[attr-defined]  # annotated above
        participation_id=place.participation_id,
        created_at=now,
    )
