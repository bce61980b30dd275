"""Who takes part: read-only, with the person's answers, consents and page times on one page."""

from typing import Any

from django.contrib import admin
from unfold.admin import TabularInline

from annotation.common.admin import ReadOnlyAdmin
from annotation.participation.models import (
    ConsentRecord,
    PageVisit,
    Participation,
    ProfileEntry,
    QuotaCell,
    Withdrawal,
)
from annotation.studies.own import OfOwnStudies, OwnStudiesFilter


class _Rows(TabularInline):  # type: ignore[misc]  # unfold ships no types
    extra = 0
    can_delete = False
    tab = True

    def has_add_permission(self, request: Any, obj: Any = None) -> bool:
        return False

    def has_change_permission(self, request: Any, obj: Any = None) -> bool:
        return False


class ProfileRows(_Rows):
    model = ProfileEntry
    fields = ["step", "question", "value", "missing", "shown_order", "answered_at"]


class ConsentRows(_Rows):
    model = ConsentRecord
    fields = ["version", "language", "statements", "sha256", "given_at"]


class PageRows(_Rows):
    model = PageVisit
    fields = ["step", "page", "submit_ms", "first_click_ms", "last_click_ms", "click_count", "submitted_at"]


@admin.register(Participation)
class ParticipationAdmin(OfOwnStudies, ReadOnlyAdmin):
    list_display = ["__str__", "state", "version", "step", "page", "language", "rehearsal", "started_at", "ended_at"]
    list_filter = [("study", OwnStudiesFilter), "state", "rehearsal", "language"]
    search_fields = ["id", "panel_session_id"]
    list_select_related = ["study", "version__study"]
    date_hierarchy = "started_at"
    exclude = ["return_token_sha256"]
    inlines = [ProfileRows, ConsentRows, PageRows]


@admin.register(QuotaCell)
class QuotaCellAdmin(OfOwnStudies, ReadOnlyAdmin):
    list_display = ["study", "quota", "cell", "taken", "target"]
    list_filter = [("study", OwnStudiesFilter), "quota"]


@admin.register(Withdrawal)
class WithdrawalAdmin(OfOwnStudies, ReadOnlyAdmin):
    owner = "participation__study__owner"
    list_display = ["participation", "reason", "at"]
    list_filter = ["reason"]
    list_select_related = ["participation__study"]
