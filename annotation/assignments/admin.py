"""Places for judgements and what was shown in them: read-only."""

from django.contrib import admin

from annotation.assignments.models import Assignment, Presentation
from annotation.common.admin import ReadOnlyAdmin


@admin.register(Assignment)
class AssignmentAdmin(ReadOnlyAdmin):
    list_display = ["id", "protocol", "state", "participation", "created_at", "done_at"]
    list_filter = ["state", "protocol"]
    search_fields = ["id", "item__id"]
    list_select_related = ["participation__study"]


@admin.register(Presentation)
class PresentationAdmin(ReadOnlyAdmin):
    list_display = ["id", "assignment", "reveal", "created_at"]
    list_filter = ["reveal"]
    search_fields = ["id", "assignment__id"]
    list_select_related = ["assignment__item"]
