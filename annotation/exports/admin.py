"""Exports in the admin: schedules to edit, releases to look at and download, and a release here and now."""

import json
from pathlib import Path
from typing import Any, ClassVar

from django.conf import settings
from django.contrib import admin
from django.db.models import QuerySet
from django.forms import ModelForm
from django.http import FileResponse, Http404, HttpRequest
from django.template.loader import render_to_string
from django.urls import URLPattern, path
from django.utils import timezone
from unfold.admin import ModelAdmin

from annotation.common.admin import ReadOnlyAdmin
from annotation.exports.forms import ExportRunForm, ExportScheduleForm
from annotation.exports.models import ExportRun, ExportSchedule, TextAssessment
from annotation.exports.queries import current_manifest
from annotation.exports.services import record_download, request_export
from annotation.studies.models import Study
from annotation.studies.own import OfOwnStudies, OwnStudiesFilter


class OwnStudies(OfOwnStudies):
    """Researchers see and ask for exports of their own studies."""

    def formfield_for_foreignkey(self, field: Any, request: HttpRequest, **kwargs: Any) -> Any:
        if field.name == "study" and not request.user.is_superuser:
            kwargs["queryset"] = Study.objects.filter(owner=request.user.pk)
        return super().formfield_for_foreignkey(field, request, **kwargs)  # type: ignore[misc]  # the admin class beside it has it


@admin.register(ExportSchedule)
class ExportScheduleAdmin(OwnStudies, ModelAdmin):  # type: ignore[misc]  # unfold ships no types
    form = ExportScheduleForm
    list_display: ClassVar[list[str]] = ["study", "layout", "crontab", "next_due_at", "rehearsal", "enabled"]
    list_select_related: ClassVar[list[str]] = ["study", "crontab"]
    list_filter: ClassVar[list[str]] = ["enabled", "layout"]
    readonly_fields: ClassVar[list[str]] = ["crontab", "next_due_at"]
    actions: ClassVar[list[str]] = ["export_now"]

    def save_model(self, request: HttpRequest, obj: ExportSchedule, form: "ModelForm[Any]", change: bool) -> None:
        obj.created_by_id = obj.created_by_id or request.user.pk
        super().save_model(request, obj, form, change)

    @admin.action(description="Export now")
    def export_now(self, request: HttpRequest, schedules: QuerySet[ExportSchedule]) -> None:
        for schedule in schedules.select_related("study"):
            request_export(
                study=schedule.study,
                layout=schedule.layout,
                writers=schedule.writers,
                rehearsal=schedule.rehearsal,
                options=schedule.options,
                schedule=schedule,
                requested_by=request.user,  # type: ignore[arg-type]  # the admin lets only staff in
                now=timezone.now(),
            )
        self.message_user(request, f"Started: {schedules.count()}.")


@admin.register(ExportRun)
class ExportRunAdmin(OwnStudies, ReadOnlyAdmin):
    form = ExportRunForm
    list_display: ClassVar[list[str]] = ["study", "layout", "cut_off", "state", "people", "rehearsal", "requested_by"]
    list_select_related: ClassVar[list[str]] = ["study", "requested_by"]
    list_filter: ClassVar[list[Any]] = ["state", "layout", "rehearsal", ("study", OwnStudiesFilter)]
    fields: ClassVar[list[str]] = [
        "study",
        "layout",
        "layout_version",
        "writers",
        "rehearsal",
        "options",
        "cut_off",
        "state",
        "error",
        "files",
        "manifest_now",
        "requested_by",
        "created_at",
        "finished_at",
    ]

    def has_add_permission(self, request: HttpRequest) -> bool:
        return bool(request.user.has_perm("exports.add_exportrun"))

    def get_fields(self, request: HttpRequest, obj: ExportRun | None = None) -> list[str]:
        return self.fields if obj else ["study", "layout", "writers", "rehearsal", "options"]

    def get_readonly_fields(self, request: HttpRequest, obj: ExportRun | None = None) -> list[str]:
        return self.fields if obj else []

    def save_model(self, request: HttpRequest, obj: ExportRun, form: "ModelForm[Any]", change: bool) -> None:
        """ "Export now": the service makes the row, and a worker the files."""
        asked = form.cleaned_data
        run = request_export(
            study=asked["study"],
            layout=asked["layout"],
            writers=asked["writers"],
            rehearsal=asked["rehearsal"],
            options=asked["options"],
            requested_by=request.user,  # type: ignore[arg-type]  # the admin lets only staff in
            now=timezone.now(),
        )
        # the admin goes on with the object that the form made
        obj.__dict__.update({key: value for key, value in run.__dict__.items() if key != "_state"})
        obj._state.adding = False

    @admin.display(description="people")
    def people(self, run: ExportRun) -> str:
        return str(run.manifest.get("people", ""))

    @admin.display(description="files")
    def files(self, run: ExportRun) -> str:
        return render_to_string("exports/files.html", {"run": run, "files": run.manifest.get("files", [])})

    @admin.display(description="manifest")
    def manifest_now(self, run: ExportRun) -> str:
        text = json.dumps(current_manifest(run), indent=1, ensure_ascii=False) if run.manifest else ""
        return render_to_string("exports/manifest.html", {"text": text})

    def get_urls(self) -> list[URLPattern]:
        download = self.admin_site.admin_view(self.download)
        return [path("<uuid:pk>/files/<str:name>", download, name="exports_download"), *super().get_urls()]

    def download(self, request: HttpRequest, pk: Any, name: str) -> FileResponse:
        """One file of a release, streamed; who took it is noted."""
        run = self.get_queryset(request).filter(pk=pk, state=ExportRun.State.DONE).first()
        names = {file["name"] for file in run.manifest["files"]} | {"manifest.json"} if run else set()
        if run is None or name not in names or not self.has_view_permission(request, run):
            raise Http404
        record_download(run=run, file=name, actor=request.user.get_username(), now=timezone.now())
        opened = (Path(settings.EXPORTS_DIR) / run.folder / name).open("rb")
        return FileResponse(opened, as_attachment=True, filename=f"{run.study.slug}-{name}")


@admin.register(TextAssessment)
class TextAssessmentAdmin(ReadOnlyAdmin):
    list_display: ClassVar[list[str]] = ["__str__", "language", "has_personal_data", "manually_has_personal_data"]
    list_filter: ClassVar[list[str]] = ["has_personal_data", "language"]
