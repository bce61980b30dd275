"""Places for judgements, what was shown in them, and how far each step's are: looked at, never edited. What staff can
do stands with the steps."""

from collections import Counter
from collections.abc import Callable
from datetime import datetime

from django.contrib import admin, messages
from django.db.models import QuerySet
from django.http import HttpRequest
from django.utils import timezone
from django.utils.html import format_html, format_html_join
from django.utils.safestring import SafeString
from unfold.decorators import action

from annotation.assignments import services, tasks
from annotation.assignments.models import Assignment, Presentation, StepPlaces
from annotation.assignments.queries import places_filled
from annotation.assignments.showable import count_not_showable
from annotation.common.admin import ReadOnlyAdmin
from annotation.common.errors import DomainError
from annotation.studies.document.comparisons import ComparisonsStep
from annotation.studies.own import OfOwnStudies, OwnStudiesFilter

STATES = [state.value for state in Assignment.State]
Do = Callable[[StepPlaces, ComparisonsStep, str, datetime], str]


@admin.register(Assignment)
class AssignmentAdmin(OfOwnStudies, ReadOnlyAdmin):
    list_display = [
        *("id", "study", "step", "protocol", "stratum", "wave", "copy", "reason", "state"),
        *("participation", "leased_until", "done_at"),
    ]
    list_filter = [("study", OwnStudiesFilter), "state", "reason", "stratum", "wave", "protocol", "rehearsal"]
    search_fields = ["id", "item__id", "item__external_id"]
    list_select_related = ["study", "participation__study"]


@admin.register(StepPlaces)
class StepPlacesAdmin(OfOwnStudies, ReadOnlyAdmin):
    """One row per comparisons step; its actions are for those who may change studies."""

    list_display = ["study", "step", "waves", "places", "opened_at"]
    list_filter = [("study", OwnStudiesFilter)]
    list_select_related = ["study"]
    fields = ["study", "step", "waves", "by_stratum", "not_showable", "opened_at"]
    readonly_fields = ["by_stratum", "not_showable"]
    actions = ["open_next_wave", "ask_again", "release_overdue"]

    def has_run_permission(self, request: HttpRequest) -> bool:
        return bool(request.user.has_perm("studies.change_study"))

    @admin.display(description="places of people")
    def places(self, row: StepPlaces) -> str:
        """How many there are in each state, e.g. "open 12, done 30"."""
        counts = Counter[str]()
        for (_, state), count in places_filled(row.study_id, row.step).items():
            counts[state] += count
        return ", ".join(f"{state} {counts[state]}" for state in STATES if counts[state]) or "none"

    @admin.display(description="places of people")
    def by_stratum(self, row: StepPlaces) -> SafeString:
        """Stratum × state."""
        counts = places_filled(row.study_id, row.step)
        strata = sorted({stratum for stratum, _ in counts})
        head = format_html_join("", "<th>{}</th>", [(state,) for state in STATES])
        lines = [(stratum, [(counts.get((stratum, state), 0),) for state in STATES]) for stratum in strata]
        cells = [(name or "everybody", format_html_join("", "<td>{}</td>", line)) for name, line in lines]
        body = format_html_join("", "<tr><th>{}</th>{}</tr>", cells)
        return format_html("<table><tr><th>stratum</th>{}</tr>{}</table>", head, body)

    @admin.display(description="items without places: too few or too many candidates for the protocol")
    def not_showable(self, row: StepPlaces) -> int:
        step = next((one for one in services.comparisons_steps(row.study) if one.name == row.step), None)
        return count_not_showable(row.study.current, step) if row.study.current and step else 0

    @action(description="Open the next wave", permissions=["run"])  # type: ignore[untyped-decorator]  # unfold ships no types
    def open_next_wave(self, request: HttpRequest, rows: QuerySet[StepPlaces]) -> None:
        self._do(request, rows, _open_next_wave)

    @action(description="Ask for earlier items again where a question changed", permissions=["run"])  # type: ignore[untyped-decorator]  # unfold ships no types
    def ask_again(self, request: HttpRequest, rows: QuerySet[StepPlaces]) -> None:
        self._do(request, rows, _ask_again)

    @action(description="Open places whose lease ran out", permissions=["run"])  # type: ignore[untyped-decorator]  # unfold ships no types
    def release_overdue(self, request: HttpRequest, rows: QuerySet[StepPlaces]) -> None:
        self._do(request, rows, _release_overdue)

    def _do(self, request: HttpRequest, rows: QuerySet[StepPlaces], do: Do) -> None:
        """Do it for each step, and say what came of it."""
        actor, now = request.user.get_username(), timezone.now()
        for row in rows.select_related("study__current"):
            try:
                messages.success(request, f"{row.study}/{row.step}: {do(row, _step_of(row), actor, now)}")
            except DomainError as error:
                messages.error(request, f"{row.study}/{row.step}: {error.text}")


def _step_of(row: StepPlaces) -> ComparisonsStep:
    steps = {step.name: step for step in services.comparisons_steps(row.study)}
    if row.step not in steps:
        raise DomainError("The published document has no such step any more.")
    return steps[row.step]


def _open_next_wave(row: StepPlaces, step: ComparisonsStep, actor: str, now: datetime) -> str:
    wave = services.open_next_wave(study=row.study, step=step, actor=actor, now=now)
    tasks.open_places_of_study.delay(row.study_id)
    return f"wave {wave + 1} of {step.waves} is open; its places are being made."


def _ask_again(row: StepPlaces, step: ComparisonsStep, actor: str, now: datetime) -> str:
    changed = [protocol for protocol, before in services.versions_before_the_change(row.study, step).items() if before]
    if not changed:
        return "no question was asked in other words before; nothing is asked again."
    tasks.ask_again.delay(row.study_id, step.name, actor)
    return f"people are being asked again about what they judged under {', '.join(changed)}."


def _release_overdue(row: StepPlaces, step: ComparisonsStep, actor: str, now: datetime) -> str:
    return f"places that are open again: {services.expire_overdue(now=now, study_id=row.study_id, step=step.name)}."


@admin.register(Presentation)
class PresentationAdmin(OfOwnStudies, ReadOnlyAdmin):
    owner = "assignment__study__owner"
    list_display = ["id", "assignment", "reveal", "created_at"]
    list_filter = ["reveal"]
    search_fields = ["id", "assignment__id"]
    list_select_related = ["assignment__item"]
