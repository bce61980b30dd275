"""Item sets, items and candidates as researchers see them: with where everything came from."""

from typing import Any

from rest_framework import serializers

from annotation.items.models import Candidate, Item, ItemSet, SetJob
from annotation.studies.models import Study


class ItemSetShape(serializers.ModelSerializer[ItemSet]):
    study = serializers.SlugRelatedField[Study](slug_field="slug", read_only=True)
    items = serializers.IntegerField(source="item_count", read_only=True, help_text="How many.")

    class Meta:
        model = ItemSet
        fields = ["id", "study", "name", "licence", "items", "created_at"]
        read_only_fields = fields


class NewItemSet(serializers.Serializer[Any]):
    """A set to make. The name is what the study's document calls it."""

    study = serializers.SlugField(max_length=80)
    name = serializers.RegexField(r"^[A-Za-z][A-Za-z0-9_-]{0,79}$")
    licence = serializers.CharField(max_length=200, required=False, default="", allow_blank=True)


class AddedItem(serializers.Serializer[Any]):
    external_id = serializers.CharField()
    id = serializers.UUIDField()
    new = serializers.BooleanField()


class AddedItems(serializers.Serializer[Any]):
    """What came of the items that were sent, in their order."""

    added = serializers.IntegerField()
    items = AddedItem(many=True)


class NewMapping(serializers.Serializer[Any]):
    """Column → what it is used for; left out: what the job proposes."""

    mapping = serializers.DictField(child=serializers.CharField(max_length=300), required=False, default=dict)


class CandidateShape(serializers.ModelSerializer[Candidate]):
    content = serializers.DictField(read_only=True)
    context = serializers.DictField(read_only=True)  # type: ignore[assignment]  # hides the class's own, which only holds for the outermost
    provenance = serializers.DictField(read_only=True)
    flags = serializers.ListField(child=serializers.CharField(), read_only=True)

    class Meta:
        model = Candidate
        fields = ["id", "position", "state", "content", "context", "provenance", "flags", "recipe", "pool_entry"]
        read_only_fields = fields


class ItemShape(serializers.ModelSerializer[Item]):
    item_set = serializers.IntegerField(source="item_set_id", read_only=True, allow_null=True)
    context = serializers.DictField(read_only=True)  # type: ignore[assignment]  # hides the class's own, which only holds for the outermost
    tags = serializers.DictField(read_only=True)
    made_from = serializers.DictField(read_only=True)
    gold = serializers.DictField(read_only=True)
    candidates = CandidateShape(many=True, read_only=True)

    class Meta:
        model = Item
        fields = [
            "id",
            "item_set",
            "external_id",
            "ordinal",
            "origin",
            "context",
            "tags",
            "made_from",
            "gold",
            "held",
            "candidates",
            "created_at",
        ]
        read_only_fields = fields


class SetJobShape(serializers.ModelSerializer[SetJob]):
    item_set = serializers.IntegerField(source="item_set_id", read_only=True)
    report = serializers.DictField(read_only=True, help_text="Counts, and errors by line.")
    file = serializers.CharField(source="options.file", read_only=True, default="")
    mapping = serializers.DictField(
        source="options.mapping", read_only=True, default=dict, help_text="Of an import: column → what it is used for."
    )

    class Meta:
        model = SetJob
        fields = [
            "id",
            "item_set",
            "kind",
            "state",
            "file",
            "mapping",
            "done",
            "total",
            "report",
            "created_at",
            "ended_at",
        ]
        read_only_fields = fields
