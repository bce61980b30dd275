"""Served models with their endpoints and health, and the exact states that have answered. Keys are never shown: only
whether the variable that is named holds one."""

import os
from typing import Any

from django import forms
from django.contrib import admin, messages
from django.core.exceptions import PermissionDenied
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.template.response import TemplateResponse
from django.urls import URLPattern, path, reverse
from django.utils import timezone
from unfold.admin import ModelAdmin, StackedInline
from unfold.decorators import action, display

from models_serving.backends import BACKENDS
from models_serving.backends.dialects import DIALECTS
from models_serving.catalog import services
from models_serving.catalog.models import ModelRevision, ServedEndpoint, ServedModel
from models_serving.catalog.pages import model_page
from models_serving.contracts import Failed, Finished

COLOURS = {"healthy": "success", "unhealthy": "danger", "unknown": "warning"}
SWITCHES = {
    "on": ServedEndpoint.State.ON,
    "drain": ServedEndpoint.State.DRAINING,
    "off": ServedEndpoint.State.OFF,
}

OF_AN_ENDPOINT = ["url", "backend", "served_name", "api_key_env", "options", "dialect", "most_at_once", "server"]


class ServedModelForm(forms.ModelForm):  # type: ignore[type-arg] # generic only for the type checker
    """Says what is wrong before it is saved, in the words of a declaration."""

    class Meta:
        model = ServedModel
        fields = services.DECLARED

    def clean(self) -> dict[str, Any]:
        cleaned: dict[str, Any] = super().clean() or {}
        cleaned |= {name: {} for name in ("options", "card", "defaults") if cleaned.get(name) is None}
        if not self.errors:
            for name, value in services.problems(ServedModel(**cleaned)).items():
                self.add_error(name, value)
        return cleaned


class EndpointForm(forms.ModelForm):  # type: ignore[type-arg] # generic only for the type checker
    """The same for one endpoint."""

    class Meta:
        model = ServedEndpoint
        fields = OF_AN_ENDPOINT

    def clean(self) -> dict[str, Any]:
        cleaned: dict[str, Any] = super().clean() or {}
        if not self.errors:
            said = {name: value for name, value in cleaned.items() if name in OF_AN_ENDPOINT}
            # a model that is made on the same page is not there yet
            of = self.instance.served_model if self.instance.served_model_id else ServedModel()
            for name, value in services.endpoint_problems(ServedEndpoint(served_model=of, **said)).items():
                self.add_error(name, value)
        return cleaned


class EndpointInline(StackedInline):  # type: ignore[misc] # unfold ships no types
    """The endpoints of a model: its own address (blank), and further ones."""

    model = ServedEndpoint
    form = EndpointForm
    extra = 0
    tab = True
    verbose_name = "endpoint"

    def formfield_for_dbfield(self, db_field: Any, request: HttpRequest, **kwargs: Any) -> Any:
        if db_field.name == "dialect":
            kwargs["help_text"] = f"Which server it is: {', '.join(DIALECTS)}. Blank: as it is recognised."
        elif db_field.name in {"backend", "served_name", "api_key_env", "options"}:
            kwargs["help_text"] = "Blank: as the model says."
        return super().formfield_for_dbfield(db_field, request, **kwargs)


@admin.register(ServedModel)
class ServedModelAdmin(ModelAdmin):  # type: ignore[misc] # unfold ships no types
    form = ServedModelForm
    list_display = ["name", "enabled", "shown_health", "health_detail", "health_checked_at", "backend", "url", "price"]
    list_filter = ["health", "enabled", "backend"]
    search_fields = ["name", "served_name"]
    readonly_fields = ["health", "health_detail", "health_checked_at", "key_is_there"]
    inlines = [EndpointInline]
    actions = ["check_now", "say_hello", "drain", "switch_on"]
    actions_detail = ["how_it_is_link"]
    fieldsets = [
        (None, {"fields": ["name", "enabled", "health", "health_detail", "health_checked_at"]}),
        (
            "Where it answers",
            {"fields": ["backend", "url", "served_name", "api_key_env", "key_is_there", "options"]},
        ),
        ("What it is asked", {"fields": ["supported_parameters", "defaults"]}),
        ("How long it is waited for", {"fields": ["first_token_limit", "between_tokens_limit"]}),
        ("What it is", {"fields": ["card", "licence", "price_input", "price_output", "price_currency"]}),
    ]

    @display(description="health", label=COLOURS)  # type: ignore[untyped-decorator] # unfold ships no types
    def shown_health(self, served_model: ServedModel) -> str:
        return served_model.health

    @admin.display(description="price")
    def price(self, served_model: ServedModel) -> str:
        prices = [served_model.price_input, served_model.price_output]
        said = " / ".join("?" if one is None else f"{one.normalize():f}" for one in prices)
        return f"{said} {served_model.price_currency}" if any(one is not None for one in prices) else ""

    @admin.display(description="key is there", boolean=True)
    def key_is_there(self, served_model: ServedModel) -> bool | None:
        return bool(os.environ.get(served_model.api_key_env)) if served_model.api_key_env else None

    def formfield_for_dbfield(self, db_field: Any, request: HttpRequest, **kwargs: Any) -> Any:
        if db_field.name == "backend":
            kwargs["help_text"] = f"One of {', '.join(sorted(BACKENDS))}."
        return super().formfield_for_dbfield(db_field, request, **kwargs)

    def save_related(self, request: HttpRequest, form: Any, formsets: Any, change: bool) -> None:
        super().save_related(request, form, formsets, change)
        services.own_endpoint(served_model=form.instance)
        rows = form.instance.endpoints.all()
        if not services.REACHED_BY & set(form.changed_data):
            changed = [one for one in formsets[0].forms if services.REACHED_BY & set(one.changed_data)]
            rows = rows.filter(pk__in=[one.instance.pk for one in changed])
        if rows:
            services.forget_standing(served_model=form.instance, endpoints=rows)

    # -- several at once -----------------------------------------------------------------------------------------------
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
            self._tell(request, str(served_model), services.say_hello(served_model=served_model))

    @admin.action(description="Drain: nothing new, what is under way goes on", permissions=["change"])
    def drain(self, request: HttpRequest, queryset: QuerySet[ServedModel]) -> None:
        self._switch(request, queryset, ServedEndpoint.State.DRAINING)

    @admin.action(description="Switch all endpoints on", permissions=["change"])
    def switch_on(self, request: HttpRequest, queryset: QuerySet[ServedModel]) -> None:
        self._switch(request, queryset, ServedEndpoint.State.ON)

    def _switch(self, request: HttpRequest, queryset: QuerySet[ServedModel], state: str) -> None:
        for served_model in queryset:
            services.own_endpoint(served_model=served_model)
            for endpoint in served_model.endpoints.all():
                services.move_endpoint(endpoint=endpoint, state=state)
            self.message_user(request, f"{served_model}: {state}.")

    def _tell(self, request: HttpRequest, who: str, last: Finished | Failed) -> None:
        if isinstance(last, Finished):
            self.message_user(request, f"{who} says: {last.text}", messages.SUCCESS)
        elif last.has_thought:
            self.message_user(request, f"{who} answers: it thought, and came to no text in time.", messages.SUCCESS)
        else:
            self.message_user(request, f"{who}: {last.kind} ({last.error})", messages.ERROR)

    # -- one model as it stands now ------------------------------------------------------------------------------------
    @action(description="How it is now", url_path="how", permissions=["change"])  # type: ignore[untyped-decorator] # unfold ships no types
    def how_it_is_link(self, request: HttpRequest, object_id: str) -> HttpResponse:
        return HttpResponseRedirect(reverse("admin:catalog_servedmodel_standing", args=[object_id]))

    def get_urls(self) -> list[URLPattern]:
        view = self.admin_site.admin_view(self.standing)
        return [path("<path:object_id>/standing/", view, name="catalog_servedmodel_standing"), *super().get_urls()]

    def standing(self, request: HttpRequest, object_id: str) -> HttpResponse:
        """How each endpoint stands; on POST one of them is greeted, tried, or switched."""
        served_model = self.get_object(request, object_id)
        if served_model is None or not self.has_change_permission(request, served_model):
            raise PermissionDenied
        if request.method == "POST":
            self._act(request, served_model)
            return HttpResponseRedirect(request.path)
        context = self.admin_site.each_context(request) | {
            "title": f"How {served_model} is now",
            "opts": self.opts,
            "model": served_model,
        }
        page = model_page(served_model, timezone.now(), request.GET.get("page", "1"))
        return TemplateResponse(request, "admin/catalog/standing.html", context | page)

    def _act(self, request: HttpRequest, served_model: ServedModel) -> None:
        what, _, pk = request.POST.get("do", "").partition(":")
        if what == "check":
            self.check_now(request, ServedModel.objects.filter(pk=served_model.pk))
            return
        endpoint = served_model.endpoints.filter(pk=pk).first() if pk.isdecimal() else None
        if endpoint is None:
            self.message_user(request, "There is no such endpoint any more.", messages.ERROR)
        elif what == "hello":
            self._tell(request, str(endpoint), services.say_hello_to(endpoint=endpoint))
        elif what == "examine":
            self._examine(request, endpoint)
        elif what in SWITCHES:
            services.move_endpoint(endpoint=endpoint, state=SWITCHES[what])
            self.message_user(request, f"{endpoint}: {SWITCHES[what]}.")

    def _examine(self, request: HttpRequest, endpoint: ServedEndpoint) -> None:
        begun = services.begin_trial(endpoint=endpoint, now=timezone.now())
        how = "It takes some minutes; this page shows then what was found." if begun else "It was begun before."
        self.message_user(request, f"{endpoint} is being tried. {how}")


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
