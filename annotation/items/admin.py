"""What is judged, for researchers: sets and their imports, items as they will look, and how each generated candidate
came to be."""

import csv
from typing import Any, cast
from uuid import UUID

from django.contrib import admin, messages
from django.core.exceptions import PermissionDenied
from django.db.models import Count, Q, QuerySet
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseRedirect
from django.http.response import HttpResponseBase
from django.template.response import TemplateResponse
from django.urls import URLPattern, path, reverse
from django.utils import timezone
from unfold.decorators import action

from annotation.accounts.models import User
from annotation.common.admin import ReadOnlyAdmin
from annotation.common.errors import DomainError, NotFoundError
from annotation.items.forms import MappingForm, UploadForm, uses_offered
from annotation.items.models import Candidate, Generation, Item, ItemSet, MediaFile, SetJob
from annotation.items.next_steps import what_next
from annotation.items.pages import shown_item
from annotation.items.services.batches import request_generation
from annotation.items.services.imports import item_set_named, receive_file, request_check, request_import
from annotation.items.services.jobs import OVER, cancel_job
from annotation.items.services.sets import release_items
from annotation.items.serving import media_response
from annotation.studies.own import OfOwnStudies, OwnStudiesFilter

UNDER_WAY = (SetJob.State.QUEUED, SetJob.State.RUNNING)


def own_items(user: Any) -> QuerySet[Item]:
    """Sets belong to studies; what was said live is in no set, and belongs to the study that had it judged."""
    lives = Item.objects.filter(item_set__isnull=True, assignments__study__owner=user.pk)
    return Item.objects.filter(Q(item_set__study__owner=user.pk) | Q(pk__in=lives.values("pk")))


@admin.register(ItemSet)
class ItemSetAdmin(OfOwnStudies, ReadOnlyAdmin):
    list_display = ["name", "study", "item_count", "held_count", "licence", "created_at"]
    list_filter = [("study", OwnStudiesFilter)]
    list_select_related = ["study"]
    search_fields = ["name"]
    fields = ["study", "name", "licence", "item_count", "held_count", "mapping", "created_at"]
    readonly_fields = ["item_count", "held_count"]
    actions = ["release", "generate"]
    actions_list = ["upload_link"]

    def get_queryset(self, request: HttpRequest) -> QuerySet[ItemSet]:
        sets: QuerySet[ItemSet] = super().get_queryset(request)
        return sets.annotate(count=Count("items"), held_back=Count("items", filter=~Q(items__held="")))

    @admin.display(ordering="count", description="items")
    def item_count(self, item_set: ItemSet) -> int:
        return int(item_set.count)  # type: ignore[attr-defined]  # annotated above

    @admin.display(ordering="held_back", description="held back")
    def held_count(self, item_set: ItemSet) -> int:
        return int(item_set.held_back)  # type: ignore[attr-defined]  # annotated above

    @admin.action(description="Release the items that are held back", permissions=["release"])
    def release(self, request: HttpRequest, sets: QuerySet[ItemSet]) -> None:
        items = Item.objects.filter(item_set__in=[one.pk for one in sets])
        released = release_items(items=items, actor=request.user.get_username(), now=timezone.now())
        self.message_user(request, f"Released: {released}.")

    @admin.action(description="Generate the candidates that are missing", permissions=["release"])
    def generate(self, request: HttpRequest, sets: QuerySet[ItemSet]) -> None:
        for one in sets.select_related("study__current"):
            try:
                request_generation(item_set=one, actor=request.user.get_username(), now=timezone.now())
                self.message_user(request, f"{one}: started. Its job says how far it is.")
            except DomainError as error:
                self.message_user(request, f"{one}: {error.text}", messages.ERROR)

    def has_release_permission(self, request: HttpRequest) -> bool:
        return bool(request.user.has_perm("items.change_itemset"))

    @action(description="Import a file", url_path="import-link", permissions=["upload"])  # type: ignore[untyped-decorator]  # unfold ships no types
    def upload_link(self, request: HttpRequest) -> HttpResponse:
        return HttpResponseRedirect(reverse("admin:items_itemset_upload"))

    def has_upload_permission(self, request: HttpRequest) -> bool:
        return bool(request.user.has_perm("items.add_itemset"))

    # -- an upload -----------------------------------------------------------------------------------------------------
    def get_urls(self) -> list[URLPattern]:
        wrapped = self.admin_site.admin_view
        return [
            path("upload/", wrapped(self.upload), name="items_itemset_upload"),
            path("media/<uuid:pk>/", wrapped(self.media_file), name="items_media"),
            *super().get_urls(),
        ]

    def upload(self, request: HttpRequest) -> HttpResponse:
        """A file comes in; what its columns are used for is proposed on the page that follows."""
        if not self.has_upload_permission(request):
            raise PermissionDenied
        sent = (request.POST, request.FILES) if request.method == "POST" else (None, None)
        form = UploadForm(*sent, user=cast("User", request.user), initial=request.GET.dict())
        if form.is_valid():
            try:
                job = self._receive(request, form.cleaned_data)
                return HttpResponseRedirect(reverse("admin:items_setjob_change", args=[job.pk]))
            except DomainError as error:
                form.add_error(error.field if error.field in form.fields else "file", error.text)
        context = self.admin_site.each_context(request) | {"title": "Import items", "opts": self.opts, "form": form}
        return TemplateResponse(request, "admin/items/upload.html", context, status=422 if form.errors else 200)

    def _receive(self, request: HttpRequest, given: dict[str, Any]) -> SetJob:
        item_set = item_set_named(study=given["study"], name=given["name"], licence=given["licence"])
        return receive_file(
            item_set=item_set,
            file_name=given["file"].name,
            pieces=given["file"].chunks(),
            actor=request.user.get_username(),
            now=timezone.now(),
        )

    def media_file(self, request: HttpRequest, pk: UUID) -> HttpResponseBase:
        """An image, a sound or a film, for staff who may see its set."""
        media = MediaFile.objects.filter(pk=pk, item_set__in=self.get_queryset(request).values("pk")).first()
        if media is None or not self.has_view_permission(request, media.item_set):
            raise Http404
        return media_response(request, media)


@admin.register(SetJob)
class SetJobAdmin(OfOwnStudies, ReadOnlyAdmin):
    """The page of a job says where it stands and offers what comes next; while it runs it refreshes itself."""

    owner = "item_set__study__owner"
    list_display = ["item_set", "kind", "state", "done", "total", "created_by", "created_at", "ended_at"]
    list_filter = ["kind", "state", ("item_set__study", OwnStudiesFilter)]
    list_select_related = ["item_set__study"]

    def get_urls(self) -> list[URLPattern]:
        errors = path("<uuid:pk>/errors.csv", self.admin_site.admin_view(self.errors), name="items_setjob_errors")
        return [errors, *super().get_urls()]

    def change_view(
        self, request: HttpRequest, object_id: str, form_url: str = "", extra_context: dict[str, Any] | None = None
    ) -> HttpResponse:
        job = self.get_object(request, object_id)
        if job is None or not self.has_view_permission(request, job):
            raise NotFoundError("There is no such job.")
        form = self._form(request, job)
        if request.method == "POST":
            if not request.user.has_perm("items.change_setjob"):
                raise PermissionDenied
            try:
                if self._do(request, job, form):
                    return HttpResponseRedirect(request.path)
            except DomainError as error:
                messages.error(request, error.text)
                return HttpResponseRedirect(request.path)
        context = self.admin_site.each_context(request) | {
            "title": str(job),
            "opts": self.opts,
            "job": job,
            "form": form,
            "uses": uses_offered(),
            "under_way": job.state in UNDER_WAY,
            "over": job.state in OVER,
            "next": what_next(job),
            "preview": [shown_item(one) for one in job.report.get("preview", ())],
        }
        return TemplateResponse(request, "admin/items/job.html", context, status=422 if form and form.errors else 200)

    def _form(self, request: HttpRequest, job: SetJob) -> MappingForm | None:
        if job.kind != SetJob.Kind.IMPORT or job.state in (*UNDER_WAY, SetJob.State.DONE):
            return None
        sent = request.POST if request.POST.get("do") == "check" else None
        known = job.options
        return MappingForm(sent, columns=known["columns"], mapping=known["mapping"], remarks=known.get("remarks"))

    def _do(self, request: HttpRequest, job: SetJob, form: MappingForm | None) -> bool:
        """What was asked for; `False` where the form has mistakes."""
        actor, now = request.user.get_username(), timezone.now()
        match request.POST.get("do"):
            case "check" if form is not None:
                if not form.is_valid():
                    return False
                request_check(job=job, mapping=form.mapping, now=now)
            case "import":
                request_import(job=job, actor=actor, now=now)
            case "cancel":
                cancel_job(job=job, now=now)
            case "retry" if job.kind == SetJob.Kind.GENERATION:
                again = request_generation(item_set=job.item_set, actor=actor, now=now, retry_failed=True)
                messages.success(request, f"Started: {again.item_set} is tried again.")
            case other:
                raise DomainError(f"{other!r} cannot be done with this job now.")
        return True

    def errors(self, request: HttpRequest, pk: UUID) -> HttpResponse:
        """The rows that are wrong, as a table to work through."""
        job = self.get_queryset(request).filter(pk=pk).first()
        if job is None or not self.has_view_permission(request, job):
            raise Http404
        response = HttpResponse(content_type="text/csv; charset=utf-8")
        response["Content-Disposition"] = f'attachment; filename="errors-{job.pk}.csv"'
        rows = csv.writer(response)
        rows.writerow(["file", "line", "column", "what is wrong"])
        for problem in job.report.get("problems", ()):
            rows.writerow([_cell(problem[name]) for name in ("file", "line", "column", "text")])
        return response


def _cell(value: object) -> str:
    """Text that no spreadsheet takes for a formula."""
    text = str(value)
    return f"'{text}" if text[:1] in ("=", "+", "-", "@") else text


@admin.register(Item)
class ItemAdmin(ReadOnlyAdmin):
    list_display = ["id", "origin", "item_set", "ordinal", "external_id", "held", "created_at"]
    list_filter = ["origin", ("item_set", OwnStudiesFilter), ("held", admin.EmptyFieldListFilter)]
    search_fields = ["id", "external_id"]
    list_select_related = ["item_set"]
    actions = ["release"]

    def get_queryset(self, request: HttpRequest) -> QuerySet[Item]:
        items: QuerySet[Item] = super().get_queryset(request)
        return items if request.user.is_superuser else items.filter(pk__in=own_items(request.user).values("pk"))

    @admin.action(description="Release what is held back", permissions=["release"])
    def release(self, request: HttpRequest, items: QuerySet[Item]) -> None:
        released = release_items(items=items, actor=request.user.get_username(), now=timezone.now())
        self.message_user(request, f"Released: {released}.")

    def has_release_permission(self, request: HttpRequest) -> bool:
        return bool(request.user.has_perm("items.change_item"))

    def change_view(
        self, request: HttpRequest, object_id: str, form_url: str = "", extra_context: dict[str, Any] | None = None
    ) -> HttpResponse:
        item = self.get_object(request, object_id)
        if item is None or not self.has_view_permission(request, item):
            raise NotFoundError("There is no such item.")
        candidates = list(item.candidates.select_related("served_model"))
        drafts = [
            {"content": one.content, "context": one.context, "provenance": one.provenance, "row": one}
            for one in candidates
        ]
        shown = {name: getattr(item, name) for name in ("context", "tags", "made_from", "gold")}
        context = self.admin_site.each_context(request) | {
            "title": str(item),
            "opts": self.opts,
            "item": item,
            "shown": shown_item(shown | {"id": item.external_id, "candidates": drafts}),
        }
        return TemplateResponse(request, "admin/items/item.html", context)


@admin.register(Candidate)
class CandidateAdmin(ReadOnlyAdmin):
    list_display = ["id", "item", "position", "state", "recipe", "pool_entry", "served_model", "flags"]
    list_filter = ["state", "recipe", "pool_entry"]
    search_fields = ["id", "item__id"]
    list_select_related = ["item", "served_model"]

    def get_queryset(self, request: HttpRequest) -> QuerySet[Candidate]:
        rows: QuerySet[Candidate] = super().get_queryset(request)
        return rows if request.user.is_superuser else rows.filter(item__in=own_items(request.user).values("pk"))


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

    def get_queryset(self, request: HttpRequest) -> QuerySet[Generation]:
        rows: QuerySet[Generation] = super().get_queryset(request)
        own = own_items(request.user).values("pk")
        return rows if request.user.is_superuser else rows.filter(candidate__item__in=own)
