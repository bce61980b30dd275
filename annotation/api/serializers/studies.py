"""Studies and their published versions."""

from typing import Any

from rest_framework import serializers

from annotation.api.models import ApiToken
from annotation.studies.models import Study, StudyVersion


class TokenShape(serializers.ModelSerializer[ApiToken]):
    """What the token that asks is."""

    study = serializers.SlugRelatedField[Study](slug_field="slug", read_only=True, allow_null=True)
    scopes = serializers.ListField(child=serializers.ChoiceField(choices=ApiToken.Scope.choices), read_only=True)
    annotator = serializers.UUIDField(
        source="participation_id", read_only=True, allow_null=True, help_text="As whom a judge judges."
    )

    class Meta:
        model = ApiToken
        fields = ["name", "prefix", "study", "scopes", "pool", "rehearsal", "annotator", "created_at", "expires_at"]
        read_only_fields = fields


class StudyShape(serializers.ModelSerializer[Study]):
    version = serializers.IntegerField(
        source="current.number", read_only=True, allow_null=True, default=None, help_text="What people meet now."
    )

    class Meta:
        model = Study
        fields = ["slug", "title", "state", "version", "created_at", "updated_at"]
        read_only_fields = fields


class VersionShape(serializers.ModelSerializer[StudyVersion]):
    class Meta:
        model = StudyVersion
        fields = ["number", "sha256", "published_at"]
        read_only_fields = fields


class WholeVersionShape(VersionShape):
    """With its document: canonical, every default filled in; `sha256` is of these bytes without spaces."""

    document = serializers.SerializerMethodField()

    class Meta(VersionShape.Meta):
        fields = [*VersionShape.Meta.fields, "document"]
        read_only_fields = fields

    def get_document(self, version: StudyVersion) -> dict[str, Any]:
        document: dict[str, Any] = version.document
        return document
