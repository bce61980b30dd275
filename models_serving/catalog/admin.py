"""Served models with their health, and the exact states that have answered. Keys are never shown: only whether the
variable that is named holds one."""

import os
from typing import Any

from django import forms
from django.contrib import admin, messages
from django.db.models import QuerySet
from django.http import HttpRequest
from django.utils import timezone
from unfold.admin import ModelAdmin
from unfold.decorators import display

from models_serving.backends import BACKENDS
from models_serving.catalog import services
from models_serving.catalog.models import ModelRevision, ServedModel
from models_serving.contracts import Finished


class ServedModelForm(forms.ModelForm):  # type: ignore[type-arg] # generic only for the type checker
    """Says what is wrong before it is saved, in the words of a declaration."""

    class Meta:
        model = ServedModel
        fields = services.DECLARED

    def clean(self) -> dict[str, Any]:
        cleaned: dict[str, Any] = super().clean() or {}
        if not self.errors:
            for name, value in services.problems(ServedModel(**cleaned)).items():
                self.add_error(name, value)
        return cleaned


@admin.register(ServedModel)
class ServedModelAdmin(ModelAdmin):  # type: ignore[misc] # unfold ships no types
    form = ServedModelForm
    list_display = ["name", "enabled", "shown_health", "health_detail", "health_checked_at", "backend", "url"]
    list_filter = ["health", "enabled", "backend"]
    search_fields = ["name", "served_name"]
    readonly_fields = ["health", "health_detail", "health_checked_at", "key_is_there"]
    actions = ["check_now", "say_hello"]

    @display(description="health", label={"healthy": "success", "unhealthy": "danger", "unknown": "warning"})  # type: ignore[untyped-decorator] # unfold ships no types
    def shown_health(self, served_model: ServedModel) -> str:
        return served_model.health

    @admin.display(description="key is there", boolean=True)
    def key_is_there(self, served_model: ServedModel) -> bool | None:
        return bool(os.environ.get(served_model.api_key_env)) if served_model.api_key_env else None

    def formfield_for_dbfield(self, db_field: Any, request: HttpRequest, **kwargs: Any) -> Any:
        if db_field.name == "backend":
            kwargs["help_text"] = f"One of {', '.join(sorted(BACKENDS))}."
        return super().formfield_for_dbfield(db_field, request, **kwargs)

    @admin.action(description="Check health now", permissions=["change"])
    def check_now(self, request: HttpRequest, queryset: QuerySet[ServedModel]) -> None:
        for served_model in services.check_these(served_models=list(queryset), now=timezone.now()):
            well = served_model.health == ServedModel.Health.HEALTHY
            self.message_user(
                request,
                f"{served_model}: {served_model.health} {served_model.health_detail}".strip(),
                messages.SUCCESS if well else messages.ERROR,
            )

    @admin.action(description="Say hello", permissions=["change"])
    def say_hello(self, request: HttpRequest, queryset: QuerySet[ServedModel]) -> None:
        for served_model in queryset:
            last = services.say_hello(served_model=served_model)
            if isinstance(last, Finished):
                self.message_user(request, f"{served_model} says: {last.text}", messages.SUCCESS)
            else:
                self.message_user(request, f"{served_model}: {last.kind} ({last.error})", messages.ERROR)


@admin.register(ModelRevision)
class ModelRevisionAdmin(ModelAdmin):  # type: ignore[misc] # unfold ships no types
    """Only looked at: a revision never changes."""

    list_display = ["served_model", "fingerprint", "created_at"]
    list_filter = ["served_model"]
    list_select_related = ["served_model"]

    def has_add_permission(self, request: HttpRequest) -> bool:
        return False

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False
