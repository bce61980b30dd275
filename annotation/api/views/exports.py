"""Releases: what there is, one here and now, and its files."""

from pathlib import Path
from typing import Any
from uuid import UUID

from django.conf import settings
from django.db.models import QuerySet
from django.http import FileResponse
from django.shortcuts import get_object_or_404
from django.utils import timezone
from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import extend_schema
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response

from annotation.api.keys import KEY
from annotation.api.rules import opens
from annotation.api.serializers.exports import ExportShape, NewExport
from annotation.api.views.base import Endpoint, Listing, Single
from annotation.common.errors import NotFoundError
from annotation.exports.models import ExportRun
from annotation.exports.services import record_download, request_export
from annotation.studies.models import Study


class ExportFilters(serializers.Serializer[Any]):
    study = serializers.SlugField(required=False)
    state = serializers.ChoiceField(choices=ExportRun.State.choices, required=False)


def reachable_runs(view: Any) -> QuerySet[ExportRun]:
    return ExportRun.objects.filter(opens(view.token, "study")).select_related("study").defer("study__draft")


class Exports(Listing):
    """Releases of the token's studies, the newest first."""

    address = "exports"
    serializer_class = ExportShape
    ordering = ("-created_at", "-id")
    filters = ExportFilters
    ways = {"study": "study__slug"}
    problems = {"POST": (400, 404, 409)}

    def get_queryset(self) -> QuerySet[ExportRun]:
        return reachable_runs(self)

    @extend_schema(request=NewExport, responses={202: ExportShape}, parameters=[KEY])
    def post(self, request: Request) -> Response:
        """Ask for a release. It is made in the background: ask for it again until its state is *done*."""
        wanted = self.read(NewExport)
        study = get_object_or_404(Study.objects.filter(opens(self.token)), slug=wanted.pop("study"))

        def make() -> Response:
            run = request_export(study=study, requested_by=self.token.owner, now=timezone.now(), **wanted)
            return Response(ExportShape(run).data, status=202)

        return self.once(make)


class OneExport(Single):
    """A release, with its files once it is done."""

    address = "export"
    serializer_class = ExportShape

    def get_queryset(self) -> QuerySet[ExportRun]:
        return reachable_runs(self)


class ExportFile(Endpoint):
    """A file of a finished release, or its manifest.json. Who took it is noted in the audit log."""

    address = "export-file"

    @extend_schema(responses={(200, "application/octet-stream"): OpenApiTypes.BINARY})
    def get(self, request: Request, pk: UUID, name: str) -> FileResponse:
        run = reachable_runs(self).filter(pk=pk, state=ExportRun.State.DONE).first()
        names = {file["name"] for file in run.manifest["files"]} | {"manifest.json"} if run else set()
        if run is None or name not in names:
            raise NotFoundError("There is no such file.")
        record_download(run=run, file=name, actor=self.token.actor, now=timezone.now())
        opened = (Path(settings.EXPORTS_DIR) / run.folder / name).open("rb")
        return FileResponse(
            opened, as_attachment=True, filename=f"{run.study.slug}-{name}", content_type="application/octet-stream"
        )
