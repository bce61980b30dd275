"""What people said: read-only."""

from django.contrib import admin

from annotation.common.admin import ReadOnlyAdmin
from annotation.judgements.models import Judgement
from annotation.studies.own import OfOwnStudies


@admin.register(Judgement)
class JudgementAdmin(OfOwnStudies, ReadOnlyAdmin):
    owner = "participation__study__owner"
    list_display = ["receipt", "protocol", "participation", "choice_rule", "submitted_at"]
    list_filter = ["protocol", "choice_rule"]
    search_fields = ["id", "participation__id"]
    list_select_related = ["participation__study"]
    date_hierarchy = "submitted_at"
