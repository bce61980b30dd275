"""The admin's first page: how the studies are, and what waits for somebody. Each part holds what its own list would
show this person, and is left out for those who may not see that list."""

from collections.abc import Callable
from datetime import datetime
from typing import Any

from django.contrib import admin
from django.db.models import Count, Max, Model, Q, QuerySet
from django.http import HttpRequest
from django.urls import reverse
from django.utils import timezone

from annotation.assignments.models import Assignment
from annotation.exports.models import ExportRun
from annotation.participation.models import Participation
from annotation.quality.models import Flag
from annotation.studies.models import Study
from models_serving.catalog.models import ServedModel

MOST_STUDIES = 12
LAST_RELEASES = 5
Row = dict[str, Any]

# what people may be in comes before what nobody has met or what is over
ORDER = [Study.State.OPEN, Study.State.PAUSED, Study.State.DRAFT, Study.State.CLOSED]


def dashboard(request: HttpRequest, context: dict[str, Any]) -> dict[str, Any]:
    """What the page's template needs, beside what the theme gives it."""
    today = timezone.localtime().replace(hour=0, minute=0, second=0, microsecond=0)
    return context | {"front": _parts(request, today)}


def _parts(request: HttpRequest, today: datetime) -> dict[str, Any]:
    parts: dict[str, tuple[type[Model], Callable[[QuerySet[Any]], list[Row]]]] = {
        "studies": (Study, lambda studies: _studies(studies, today)),
        "flags": (Flag, _flags),
        "silent": (ServedModel, _silent),
        "releases": (ExportRun, _releases),
    }
    seen: dict[str, Any] = {}
    for name, (model, rows) in parts.items():
        page = admin.site.get_model_admin(model)
        if page.has_view_permission(request):
            seen[name] = rows(page.get_queryset(request))
    return seen


def _studies(shown: QuerySet[Study], today: datetime) -> list[Row]:
    """The studies that people are in first, then the newest."""
    studies = sorted(shown.order_by("-updated_at"), key=lambda study: ORDER.index(Study.State(study.state)))
    kept = studies[:MOST_STUDIES]
    people, places = _people(kept, today), _places_left(kept)
    return [
        {"study": study, "places": places.get(study.pk), "more": len(studies) - len(kept)} | people.get(study.pk, {})
        for study in kept
    ]


def _people(studies: list[Study], today: datetime) -> dict[int, Row]:
    """By study, people without bots: here today, done today, done in all."""
    done = Q(state=Participation.State.COMPLETED)
    rows = Participation.objects.filter(study__in=studies, rehearsal=False).order_by().values("study")
    counted = rows.annotate(
        here=Count("pk", filter=Q(last_seen_at__gte=today)),
        today=Count("pk", filter=done & Q(ended_at__gte=today)),
        done=Count("pk", filter=done),
    )
    return {row["study"]: {name: row[name] for name in ("here", "today", "done")} for row in counted}


def _places_left(studies: list[Study]) -> dict[int, int]:
    """By study, places of people that nobody has taken. The partial index of open places answers it."""
    left = Assignment.objects.filter(
        study__in=studies, state=Assignment.State.OPEN, participation__isnull=True, rehearsal=False
    )
    return dict(left.order_by().values_list("study").annotate(Count("pk")))


def _flags(shown: QuerySet[Flag]) -> list[Row]:
    """By study, how many wait for a decision."""
    waiting = shown.filter(decision=Flag.Decision.OPEN, participation__rehearsal=False).order_by()
    counted = waiting.values("participation__study", "participation__study__slug").annotate(
        count=Count("pk"), last=Max("raised_at")
    )
    address = reverse("admin:quality_flag_changelist")
    return [
        {
            "slug": row["participation__study__slug"],
            "count": row["count"],
            "last": row["last"],
            "address": f"{address}?participation__study__id__exact={row['participation__study']}"
            "&decision__exact=&participation__rehearsal__exact=0",
        }
        for row in counted.order_by("-count")
    ]


def _silent(shown: QuerySet[ServedModel]) -> list[Row]:
    """Enabled models that did not answer when they were last asked."""
    ill = shown.filter(enabled=True, health=ServedModel.Health.UNHEALTHY)
    return [{"model": one, "address": reverse("admin:catalog_servedmodel_change", args=[one.pk])} for one in ill]


def _releases(shown: QuerySet[ExportRun]) -> list[Row]:
    last = shown.select_related("study").order_by("-created_at")[:LAST_RELEASES]
    return [{"run": one, "address": reverse("admin:exports_exportrun_change", args=[one.pk])} for one in last]
