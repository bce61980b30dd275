"""Conversations as the annotator saw them, beside their provenance."""

from typing import Any

from django.contrib import admin
from django.http import HttpRequest, HttpResponse
from django.template.response import TemplateResponse

from annotation.common.admin import ReadOnlyAdmin
from annotation.common.errors import NotFoundError
from annotation.conversations.models import Conversation
from annotation.conversations.replay import after_judgements, shown_turns
from annotation.studies.own import OfOwnStudies, OwnStudiesFilter


@admin.register(Conversation)
class ConversationAdmin(OfOwnStudies, ReadOnlyAdmin):
    owner = "participation__study__owner"
    list_display = ["id", "participation", "step", "number", "type", "state", "started_at", "finished_at"]
    list_filter = [("participation__study", OwnStudiesFilter), "participation__rehearsal", "state", "type"]
    search_fields = ["id", "participation__id"]
    list_select_related = ["participation__study"]
    date_hierarchy = "started_at"

    def change_view(
        self, request: HttpRequest, object_id: str, form_url: str = "", extra_context: dict[str, Any] | None = None
    ) -> HttpResponse:
        conversation = self.get_object(request, object_id)
        if conversation is None or not self.has_view_permission(request, conversation):
            raise NotFoundError("There is no such conversation.")
        context = self.admin_site.each_context(request) | {
            "title": str(conversation),
            "opts": self.opts,
            "conversation": conversation,
            "turns": list(shown_turns(conversation)),
            "after": after_judgements(conversation),
        }
        return TemplateResponse(request, "admin/conversations/conversation.html", context)
