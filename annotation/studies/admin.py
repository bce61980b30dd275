"""Studies for researchers: start from a preset, edit the draft, see what publishing changes, publish, open, close."""

import json
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlencode

from django import forms
from django.contrib import admin, messages
from django.contrib.admin.options import VERTICAL
from django.core.exceptions import PermissionDenied
from django.db.models import Count, Q, QuerySet
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseRedirect
from django.template.response import TemplateResponse
from django.urls import URLPattern, path, reverse
from django.utils import timezone
from django.utils.html import format_html, format_html_join
from django.utils.safestring import SafeString
from unfold.admin import ModelAdmin
from unfold.decorators import action
from unfold.widgets import UnfoldAdminRadioSelectWidget, UnfoldAdminTextareaWidget, UnfoldAdminTextInputWidget

from annotation.common.admin import ReadOnlyAdmin
from annotation.common.errors import DocumentError, DomainError
from annotation.studies import loading, services
from annotation.studies.diff import Change, changes
from annotation.studies.models import Study, StudyVersion
from annotation.studies.own import OfOwnStudies, OwnStudiesFilter
from annotation.studies.pools import PARAMETER, pool_token
from annotation.studies.queries import document_of, draft_sets
from annotation.studies.shelf import presets
from models_serving.catalog.models import ServedModel


def _as_form_errors(error: DomainError) -> forms.ValidationError:
    problems = error.problems if isinstance(error, DocumentError) else [(error.field, error.text)]
    return forms.ValidationError([f"{place}: {text}" if place else text for place, text in problems])


# the admin's theme cuts labels of radio buttons off at one line
OFFER = '<span class="block whitespace-normal"><strong>{}</strong> <code class="preset-name">{}</code> {}</span>'


class NewStudyForm(forms.ModelForm):  # type: ignore[type-arg]  # not subscriptable at run time
    """A new study begins as a copy of a preset."""

    preset = forms.ChoiceField(
        widget=UnfoldAdminRadioSelectWidget(radio_style=VERTICAL), help_text="The draft begins as a copy of it."
    )

    class Meta:
        model = Study
        fields = ["slug"]
        widgets = {"slug": UnfoldAdminTextInputWidget}
        help_texts = {"slug": "The study's name in its addresses and releases. It stays as it is."}

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        offered = [(one.name, format_html(OFFER, one.title, one.name, one.summary)) for one in presets()]
        self.fields["preset"].choices = offered  # type: ignore[attr-defined]  # a ChoiceField

    def tree(self) -> loading.Tree:
        """The preset; pool entries that no served model answers for are given the enabled ones in turn."""
        tree = loading.read_source(self.cleaned_data["preset"])
        served = list(ServedModel.objects.filter(enabled=True).values_list("name", flat=True))
        return services.with_models_served(tree, served) if served else tree


class DraftForm(forms.ModelForm):  # type: ignore[type-arg]  # not subscriptable at run time
    """The draft as YAML or JSON; every mistake is named by its path in the document."""

    class Meta:
        model = Study
        fields = ["draft"]
        widgets = {
            "draft": UnfoldAdminTextareaWidget(attrs={"rows": 40, "spellcheck": "false", "class": "draft-editor"})
        }

    def clean_draft(self) -> str:
        text = str(self.cleaned_data["draft"])
        try:
            services.draft_for(self.instance.slug, text)
        except DomainError as error:
            raise _as_form_errors(error) from None
        return text


@admin.register(Study)
class StudyAdmin(OfOwnStudies, ModelAdmin):  # type: ignore[misc]  # unfold ships no types
    owner = "owner"
    list_display = ["slug", "title", "state", "current", "active", "completed", "rehearsed"]
    list_filter = ["state"]
    search_fields = ["slug", "title"]
    list_select_related = ["current__study"]
    readonly_fields = ["title", "state", "current", "link", "pool_links", "preview"]
    actions_detail = ["run_page"]
    form = DraftForm
    fieldsets = [
        (None, {"fields": ["title", "state", "current", "link", "pool_links", "preview"]}),
        (
            "Document",
            {"fields": ["draft"], "description": "Saving changes the draft only. People meet what is published."},
        ),
    ]

    # -- the list ----------------------------------------------------------------------------------------------------
    def get_queryset(self, request: HttpRequest) -> QuerySet[Study]:
        people = Q(participations__rehearsal=False)
        studies: QuerySet[Study] = super().get_queryset(request)
        return studies.annotate(
            active_count=Count("participations", filter=people & Q(participations__state="active")),
            completed_count=Count("participations", filter=people & Q(participations__state="completed")),
            rehearsed_count=Count("participations", filter=Q(participations__rehearsal=True)),
        )

    @admin.display(ordering="active_count")
    def active(self, study: Study) -> int:
        return int(study.active_count)  # type: ignore[attr-defined]  # annotated above

    @admin.display(ordering="completed_count")
    def completed(self, study: Study) -> int:
        return int(study.completed_count)  # type: ignore[attr-defined]  # annotated above

    @admin.display(ordering="rehearsed_count", description="rehearsal bots")
    def rehearsed(self, study: Study) -> int:
        return int(study.rehearsed_count)  # type: ignore[attr-defined]  # annotated above

    @admin.display(description="participants' link")
    def link(self, study: Study) -> SafeString:
        return _linked(reverse("participation:welcome", args=[study.slug]))

    @admin.display(description="links into its pools")
    def pool_links(self, study: Study) -> SafeString | str:
        """Signed, so that nobody chooses their pool; the link above leads into the first one."""
        pools = document_of(study.current).pools if study.current else ()
        welcome = reverse("participation:welcome", args=[study.slug])
        links = [(pool, f"{welcome}?{urlencode({PARAMETER: pool_token(study.slug, pool)})}") for pool in pools]
        rows = format_html_join("", "<dt>{}</dt><dd>{}</dd>", [(pool, _linked(link)) for pool, link in links])
        return format_html("<dl>{}</dl>", rows) if links else "no pools"

    @admin.display(description="preview of the draft")
    def preview(self, study: Study) -> SafeString:
        return _linked(reverse("studies:preview", args=[study.slug]))

    # -- one study ---------------------------------------------------------------------------------------------------
    def get_form(self, request: HttpRequest, obj: Study | None = None, change: bool = False, **kwargs: Any) -> Any:
        return NewStudyForm if obj is None else super().get_form(request, obj, change, **kwargs)

    def get_fieldsets(self, request: HttpRequest, obj: Study | None = None) -> Any:
        return [(None, {"fields": ["slug", "preset"]})] if obj is None else self.fieldsets

    def has_delete_permission(self, request: HttpRequest, obj: Study | None = None) -> bool:
        """Only what nobody ever met can be deleted."""
        never_published = obj is None or obj.current_id is None
        return never_published and super().has_delete_permission(request, obj)

    def save_model(self, request: HttpRequest, obj: Study, form: Any, change: bool) -> None:
        actor, now = request.user.get_username(), timezone.now()
        if change:
            services.save_draft_document(study=obj, text=form.cleaned_data["draft"], actor=actor, now=now)
            return
        owner = request.user
        saved = services.save_source(slug=obj.slug, tree=form.tree(), actor=actor, now=now, owner=owner)  # type: ignore[arg-type]  # staff are our users
        obj.pk = saved.pk

    def response_add(self, request: HttpRequest, obj: Study, post_url_continue: str | None = None) -> HttpResponse:
        """On to the new study's own page: its document is what one wants next."""
        answer: HttpResponse = super().response_add(request, obj, post_url_continue)
        if "_addanother" in request.POST or "_popup" in request.POST:
            return answer
        return HttpResponseRedirect(reverse("admin:studies_study_change", args=[obj.pk]))

    # -- publishing --------------------------------------------------------------------------------------------------
    @action(description="Publish, open, close", url_path="run", permissions=["change"])  # type: ignore[untyped-decorator]  # unfold ships no types
    def run_page(self, request: HttpRequest, object_id: str) -> HttpResponse:
        return HttpResponseRedirect(reverse("admin:studies_study_running", args=[object_id]))

    def get_urls(self) -> list[URLPattern]:
        running = path(
            "<path:object_id>/running/", self.admin_site.admin_view(self.running), name="studies_study_running"
        )
        return [running, *super().get_urls()]

    def running(self, request: HttpRequest, object_id: str) -> HttpResponse:
        """What publishing the draft would change; on POST: publish, open, pause or close."""
        study = self.get_object(request, object_id)
        if not self.has_change_permission(request, study):
            raise PermissionDenied
        if study is None:
            raise Http404
        problems: list[tuple[str, str]] = []
        if request.method == "POST":
            try:
                messages.success(request, self._run(request, study))
                return HttpResponseRedirect(request.path)
            except DocumentError as error:
                problems = error.problems
            except DomainError as error:
                problems = [(error.field, error.text)]
        found, unreadable = _pending(study)
        context = self.admin_site.each_context(request) | {
            "title": f"Publish and run {study.slug}",
            "opts": self.opts,
            "study": study,
            "changes": found,
            "breaks": any(change.breaks for change in found),
            "problems": problems or unreadable,
            "sets": _sets(study),
            "checks": document_of(study.current).checks if study.current else (),
            "welcome": request.build_absolute_uri(reverse("participation:welcome", args=[study.slug])),
        }
        return TemplateResponse(request, "admin/studies/running.html", context, status=422 if problems else 200)

    def _run(self, request: HttpRequest, study: Study) -> str:
        actor, now = request.user.get_username(), timezone.now()
        match request.POST.get("do"):
            case "publish":
                version = services.publish(
                    study=study,
                    actor=actor,
                    now=now,
                    published_by=request.user,  # type: ignore[arg-type]  # staff are our users
                    confirmed=bool(request.POST.get("confirmed")),
                )
                return f"Version {version.number} is published."
            case "open":
                services.open_study(study=study, actor=actor, now=now)
            case "pause":
                services.pause_study(study=study, actor=actor, now=now)
            case "close":
                services.close_study(study=study, actor=actor, now=now)
            case other:
                raise DomainError(f"{other!r} is not allowed; allowed are publish, open, pause and close.", field="do")
        return f"The study is {study.state}."


def _linked(address: str) -> SafeString:
    return format_html('<a href="{}" target="_blank" rel="noopener">{}</a>', address, address)


@dataclass(frozen=True, slots=True)
class NamedSet:
    """An item set that the draft names, with what is in it and where more comes from."""

    name: str
    items: int
    held: int
    source: str


def _sets(study: Study) -> list[NamedSet]:
    """What the study needs to have items in, before people come."""
    named = draft_sets(study)
    held = Count("items", filter=~Q(items__held=""))
    counted = {one.name: one for one in study.item_sets.annotate(count=Count("items"), held_back=held)}
    return [
        NamedSet(name, row.count if row else 0, row.held_back if row else 0, source)
        for name, source in named.items()
        for row in [counted.get(name)]
    ]


def _pending(study: Study) -> tuple[list[Change], list[tuple[str, str]]]:
    """What publishing would change, or why the draft cannot be read."""
    try:
        draft = services.with_cards(loading.read_document(study.draft)).canonical()
    except DocumentError as error:
        return [], error.problems
    if study.current is None:
        return [Change("the document", "published for the first time")], []
    return changes(study.current.document, draft), []


@admin.register(StudyVersion)
class StudyVersionAdmin(OfOwnStudies, ReadOnlyAdmin):
    list_display = ["study", "number", "sha256", "published_by", "published_at"]
    list_filter = [("study", OwnStudiesFilter)]
    list_select_related = ["study", "published_by"]
    fields = ["study", "number", "sha256", "published_by", "published_at", "whole_document"]

    @admin.display(description="document")
    def whole_document(self, version: StudyVersion) -> SafeString:
        return format_html("<pre>{}</pre>", json.dumps(version.document, indent=2, ensure_ascii=False))
