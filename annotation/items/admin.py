"""What is judged, and how each generated candidate came to be: read-only."""

from django.contrib import admin

from annotation.common.admin import ReadOnlyAdmin
from annotation.items.models import Candidate, Generation, Item


@admin.register(Item)
class ItemAdmin(ReadOnlyAdmin):
    list_display = ["id", "origin", "item_set", "external_id", "created_at"]
    list_filter = ["origin", "item_set"]
    search_fields = ["id", "external_id"]
    list_select_related = ["item_set"]


@admin.register(Candidate)
class CandidateAdmin(ReadOnlyAdmin):
    list_display = ["id", "item", "position", "state", "pool_entry", "served_model"]
    list_filter = ["state", "pool_entry"]
    search_fields = ["id", "item__id"]
    list_select_related = ["item", "served_model"]


@admin.register(Generation)
class GenerationAdmin(ReadOnlyAdmin):
    list_display = [
        "started_at", "pool_entry", "served_model", "attempt", "state", "finish_reason", "error_kind",
        "first_token_s", "finished_s", "completion_tokens",
    ]  # fmt: skip
    list_filter = ["state", "pool_entry", "error_kind", "finish_reason"]
    search_fields = ["id", "candidate__id"]
    list_select_related = ["served_model"]
    date_hierarchy = "started_at"
