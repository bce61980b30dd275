"""Studies as scripts read them. They are made and published in the admin or on the command line."""

from functools import cache
from typing import Any

from django.db.models import QuerySet
from django.shortcuts import get_object_or_404
from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import extend_schema
from rest_framework.request import Request
from rest_framework.response import Response

from annotation.api.rules import opens
from annotation.api.serializers.studies import StudyShape, TokenShape, VersionShape, WholeVersionShape
from annotation.api.views.base import Endpoint, Listing, Single
from annotation.studies.document import StudyDocument
from annotation.studies.models import Study, StudyVersion


class Token(Endpoint):
    """What this token is, and may do."""

    address = "token"
    serializer_class = TokenShape

    def get(self, request: Request) -> Response:
        return Response(self.get_serializer(self.token).data)


class Studies(Listing):
    """The studies that the token opens."""

    address = "studies"
    serializer_class = StudyShape
    ordering = ("slug",)

    def get_queryset(self) -> QuerySet[Study]:
        return Study.objects.filter(opens(self.token)).select_related("current").defer("draft", "current__document")


class OneStudy(Single):
    """A study."""

    address = "study"
    serializer_class = StudyShape
    lookup_field = "slug"

    def get_queryset(self) -> QuerySet[Study]:
        return Study.objects.filter(opens(self.token)).select_related("current").defer("draft", "current__document")


class Versions(Listing):
    """The published versions of a study, the newest first."""

    address = "versions"
    serializer_class = VersionShape
    ordering = ("-number",)

    def get_queryset(self) -> QuerySet[StudyVersion]:
        study = get_object_or_404(Study.objects.filter(opens(self.token)), slug=self.kwargs["slug"])
        return StudyVersion.objects.filter(study=study).defer("document")


class OneVersion(Single):
    """A published version with its whole document."""

    address = "version"
    serializer_class = WholeVersionShape
    lookup_field = "number"

    def get_queryset(self) -> QuerySet[StudyVersion]:
        return StudyVersion.objects.filter(opens(self.token, "study"), study__slug=self.kwargs["slug"])


class StudySchema(Endpoint):
    """The JSON Schema that every study document fulfils."""

    address = "study-schema"

    @extend_schema(responses=OpenApiTypes.OBJECT)
    def get(self, request: Request) -> Response:
        return Response(_study_schema())


@cache
def _study_schema() -> dict[str, Any]:
    return {"$schema": "https://json-schema.org/draft/2020-12/schema"} | StudyDocument.model_json_schema()
