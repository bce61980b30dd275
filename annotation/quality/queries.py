"""What checks look at: the rows of one study, as plain bundles; and whom a researcher keeps out of releases."""

from collections import defaultdict
from collections.abc import Iterator, Mapping
from datetime import datetime
from typing import Any
from uuid import UUID

from django.db.models import OuterRef, Subquery

from annotation.accounts.models import AuditEntry
from annotation.assignments.models import Assignment
from annotation.conversations.models import Turn
from annotation.judgements.models import Judgement
from annotation.participation.models import PageVisit, Participation, ProfileEntry
from annotation.quality.checks import Judged, Person, Visited
from annotation.quality.models import Flag, FlagDecision
from annotation.studies.models import Study
from annotation.studies.queries import document_of

PEOPLE_PER_BATCH = 200


def people_of(study: Study, *, rehearsal: bool) -> Iterator[Person]:
    """Everybody who did something and has not withdrawn; people and bots are never looked at together."""
    everybody = (
        Participation.objects.filter(study=study, rehearsal=rehearsal, withdrawal__isnull=True)
        .select_related("version")
        .order_by("ordinal")
    )
    batch: list[Participation] = []
    for participation in everybody.iterator(chunk_size=PEOPLE_PER_BATCH):
        batch.append(participation)
        if len(batch) == PEOPLE_PER_BATCH:
            yield from _people(batch)
            batch = []
    yield from _people(batch)


def _people(batch: list[Participation]) -> Iterator[Person]:
    judged, visited, profile = _judged(batch), _visited(batch), _profile(batch)
    for one in batch:
        yield Person(one.pk, document_of(one.version), judged[one.pk], visited[one.pk], profile[one.pk])


def _judged(batch: list[Participation]) -> Mapping[UUID, list[Judged]]:
    rows = (
        Judgement.objects.filter(participation__in=batch, replaced_by__isnull=True)
        .select_related("assignment__item", "assignment__presentation")
        .prefetch_related("assignment__item__candidates")
        .order_by("submitted_at", "pk")
    )
    pastes = _pastes_of_messages(batch)
    found: dict[UUID, list[Judged]] = defaultdict(list)
    first: dict[tuple[UUID, UUID, str], UUID] = {}
    for row in rows:
        place = row.assignment
        key = (row.participation_id, place.item_id, place.protocol)
        repeat = place.reason == Assignment.Reason.REPEAT
        timings = row.timings | {"pastes": (row.timings.get("pastes") or 0) + pastes.get(place.pk, 0)}
        found[row.participation_id].append(
            Judged(
                id=row.pk,
                step=place.step,
                protocol=place.protocol,
                item=place.item_id,
                answers=place.presentation.before | row.answers,
                chosen=row.chosen_id,
                drawn=_drawn(row),
                order=tuple(place.presentation.order),
                gold=place.item.gold,
                timings=timings,
                positions={str(candidate.pk): candidate.position for candidate in place.item.candidates.all()},
                twin=first.get(key) if repeat else None,
            )
        )
        first.setdefault(key, row.pk)
    return found


def _drawn(row: Judgement) -> frozenset[str]:
    if row.choice_rule == "none_acceptable":
        return frozenset({"none"})
    return frozenset(row.choice.get("tied", ()) if "seed" in row.choice else ())


def _pastes_of_messages(batch: list[Participation]) -> dict[UUID, int]:
    """Place → pastes into the message that its turn answers."""
    turns = Turn.objects.filter(conversation__participation__in=batch).values_list("assignment_id", "details")
    return {place: pastes for place, details in turns if isinstance(pastes := details.get("pastes"), int) and pastes}


def _visited(batch: list[Participation]) -> Mapping[UUID, list[Visited]]:
    found: dict[UUID, list[Visited]] = defaultdict(list)
    for visit in PageVisit.objects.filter(participation__in=batch).order_by("pk"):
        seconds = visit.submit_ms / 1000 if visit.submit_ms else None
        found[visit.participation_id].append(
            Visited(visit.step, visit.page, seconds, int(visit.details.get("pastes") or 0))
        )
    return found


def _profile(batch: list[Participation]) -> Mapping[UUID, dict[str, Any]]:
    found: dict[UUID, dict[str, Any]] = defaultdict(dict)
    rows = ProfileEntry.objects.filter(participation__in=batch).order_by("pk")
    for row in rows.values("participation", "question", "value", "missing", "details"):
        found[row["participation"]][row["question"]] = row
    return found


def closed_since(at: datetime) -> set[str]:
    """Studies that somebody has closed since then, by their slugs."""
    closed = AuditEntry.objects.filter(action="study.closed", at__gte=at)
    return set(closed.values_list("subject", flat=True))


def excluded_people(study: Study, *, at: datetime) -> frozenset[UUID]:
    """People with a flag about which *excluded* was the decision that stood at that time."""
    stood = FlagDecision.objects.filter(flag=OuterRef("pk"), decided_at__lte=at).order_by("-decided_at", "-pk")
    flags = Flag.objects.filter(participation__study=study).annotate(stood=Subquery(stood.values("decision")[:1]))
    return frozenset(flags.filter(stood=Flag.Decision.EXCLUDED).values_list("participation_id", flat=True))
