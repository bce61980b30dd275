"""Quality flags: what checks saw, and what was decided about it, with the reason."""

from typing import Any

from django import forms
from django.contrib import admin, messages
from django.core.exceptions import PermissionDenied
from django.db.models import QuerySet
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseNotAllowed, HttpResponseRedirect
from django.urls import URLPattern, path, reverse
from django.utils import timezone
from django.utils.html import format_html_join
from unfold.admin import ModelAdmin
from unfold.widgets import UnfoldAdminSelectWidget, UnfoldAdminTextareaWidget

from annotation.common.errors import DomainError
from annotation.quality import tasks
from annotation.quality.checks import CHECKS
from annotation.quality.models import Flag
from annotation.quality.services import decide_flag, raise_flags
from annotation.studies.models import Study
from annotation.studies.own import OfOwnStudies, OwnStudiesFilter

DECISIONS = [
    (Flag.Decision.DISMISSED, "Dismissed: nothing is wrong"),
    (Flag.Decision.CONFIRMED, "Confirmed: it stays in the data, with its flag"),
    (Flag.Decision.EXCLUDED, "Excluded: releases leave this person out, unless they are told to keep them"),
]


class DecisionForm(forms.ModelForm):  # type: ignore[type-arg]  # not generic at run time
    """A decision always has its reason."""

    decision = forms.ChoiceField(choices=DECISIONS, widget=UnfoldAdminSelectWidget)
    reason = forms.CharField(widget=UnfoldAdminTextareaWidget({"rows": 3}), max_length=2_000)

    class Meta:
        model = Flag
        fields = ["decision", "reason"]


@admin.register(Flag)
class FlagAdmin(OfOwnStudies, ModelAdmin):  # type: ignore[misc]  # unfold ships no types
    owner = "participation__study__owner"
    form = DecisionForm
    list_display = ["what", "participation", "subject", "value", "threshold", "decision", "decided_by", "raised_at"]
    list_filter = [("participation__study", OwnStudiesFilter), "check_name", "decision", "participation__rehearsal"]
    search_fields = ["participation__id", "subject"]
    list_select_related = ["participation__study"]
    readonly_fields = ["what", "participation", "subject", "value", "threshold", "details", "raised_at", "so_far"]
    fields = [*readonly_fields, "decision", "reason"]
    actions = ["check_now"]
    list_per_page = 50

    @admin.display(description="what was seen", ordering="check_name")
    def what(self, flag: Flag) -> str:
        check = CHECKS.get(flag.check_name)
        return check.title if check else flag.check_name

    @admin.display(description="decided so far")
    def so_far(self, flag: Flag) -> str:
        rows = [
            (f"{one.decided_at:%Y-%m-%d %H:%M}", one.decided_by, one.decision, one.reason)
            for one in flag.decisions.all()
        ]
        return format_html_join("", "<div>{} {}: {}. {}</div>", rows) or "nothing"

    @admin.action(description="Run the checks of these studies now")
    def check_now(self, request: HttpRequest, flags: QuerySet[Flag]) -> None:
        for study in Study.objects.filter(participations__flags__in=flags).distinct():
            count = raise_flags(study=study, now=timezone.now())
            messages.success(request, f"{study.slug}: {count} flags are open.")

    def get_urls(self) -> list[URLPattern]:
        check = path("check/<int:pk>/", self.admin_site.admin_view(self.check_study), name="quality_flag_check")
        return [check, *super().get_urls()]

    def check_study(self, request: HttpRequest, pk: int) -> HttpResponse:
        """The button on a study's page: also after it was closed, and before anything was found."""
        if not self.has_change_permission(request):
            raise PermissionDenied
        if request.method != "POST":
            return HttpResponseNotAllowed(["POST"])
        mine = Study.objects.filter(pk=pk, current__isnull=False)
        study = (mine if request.user.is_superuser else mine.filter(owner=request.user.pk)).first()
        if study is None:
            raise Http404
        tasks.raise_flags_of_study.delay(study.pk)
        messages.success(request, f"{study.slug} is being checked; what is found stands here.")
        address = reverse("admin:quality_flag_changelist")
        return HttpResponseRedirect(f"{address}?participation__study__id__exact={study.pk}")

    def save_model(self, request: HttpRequest, obj: Flag, form: Any, change: bool) -> None:
        try:
            decide_flag(
                flag_id=obj.pk,
                decision=form.cleaned_data["decision"],
                reason=form.cleaned_data["reason"],
                actor=request.user.get_username(),
                now=timezone.now(),
            )
        except DomainError as error:
            messages.error(request, error.text)

    def has_add_permission(self, request: HttpRequest) -> bool:
        return False

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False
