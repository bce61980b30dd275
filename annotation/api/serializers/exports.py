"""Releases."""

from typing import Any

from drf_spectacular.utils import extend_schema_field
from rest_framework import serializers

from annotation.exports.layouts import LAYOUTS
from annotation.exports.models import ExportRun
from annotation.exports.services import DEFAULT_WRITERS
from annotation.exports.writers import WRITERS
from annotation.studies.models import Study


class ExportFileShape(serializers.Serializer[Any]):
    name = serializers.CharField()
    rows = serializers.IntegerField(allow_null=True)
    bytes = serializers.IntegerField()
    sha256 = serializers.CharField()


class ExportShape(serializers.ModelSerializer[ExportRun]):
    study = serializers.SlugRelatedField[Study](slug_field="slug", read_only=True)
    writers = serializers.ListField(child=serializers.CharField(), read_only=True)
    options = serializers.DictField(read_only=True)
    files = serializers.SerializerMethodField(help_text="Empty before it is done.")

    class Meta:
        model = ExportRun
        fields = [
            "id",
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
            "created_at",
            "finished_at",
        ]
        read_only_fields = fields

    @extend_schema_field(ExportFileShape(many=True))
    def get_files(self, run: ExportRun) -> list[dict[str, Any]]:
        wanted = ("name", "rows", "bytes", "sha256")
        return [{key: file.get(key) for key in wanted} for file in run.manifest.get("files", [])]


class NewExport(serializers.Serializer[Any]):
    """A release to make now."""

    study = serializers.SlugField(max_length=80)
    layout = serializers.ChoiceField(choices=list(LAYOUTS))
    writers = serializers.ListField(
        child=serializers.ChoiceField(choices=list(WRITERS)), allow_empty=False, max_length=10, required=False
    )
    rehearsal = serializers.BooleanField(required=False, default=False)
    options = serializers.DictField(required=False, default=dict, help_text="Of the layout; its defaults hold beside.")

    def validate(self, attrs: dict[str, Any]) -> dict[str, Any]:
        return {"writers": list(DEFAULT_WRITERS)} | attrs
