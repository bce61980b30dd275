"""Annotators under the pseudonym that they have in one study, and what they did there. A panel's id, an address or
anything else that says who somebody is outside has no place here."""

from typing import Any

from drf_spectacular.utils import extend_schema_field
from rest_framework import serializers

from annotation.accounts.models import Annotator
from annotation.assignments.models import Assignment
from annotation.conversations.models import Conversation, Turn
from annotation.items.models import Candidate
from annotation.judgements.models import Judgement
from annotation.participation.models import Participation
from annotation.studies.models import Study


class AnnotatorShape(serializers.ModelSerializer[Participation]):
    """`id` is a pseudonym: the same person has another one in each study."""

    study = serializers.SlugRelatedField[Study](slug_field="slug", read_only=True)
    version = serializers.IntegerField(source="version.number", read_only=True)
    kind = serializers.ChoiceField(source="annotator.kind", choices=Annotator.Kind.choices, read_only=True)
    qualified = serializers.DictField(read_only=True)

    class Meta:
        model = Participation
        fields = [
            "id",
            "study",
            "version",
            "kind",
            "state",
            "pool",
            "condition",
            "language",
            "rehearsal",
            "qualified",
            "started_at",
            "ended_at",
        ]
        read_only_fields = fields


class AssignmentShape(serializers.ModelSerializer[Assignment]):
    study = serializers.SlugRelatedField[Study](slug_field="slug", read_only=True)
    item = serializers.UUIDField(source="item_id", read_only=True)
    annotator = serializers.UUIDField(source="participation_id", read_only=True, allow_null=True)

    class Meta:
        model = Assignment
        fields = [
            "id",
            "study",
            "step",
            "item",
            "protocol",
            "stratum",
            "wave",
            "reason",
            "repeat",
            "rehearsal",
            "state",
            "annotator",
            "leased_until",
            "skip_reason",
            "credited",
            "created_at",
            "done_at",
        ]
        read_only_fields = fields


class ShownShape(serializers.Serializer[Any]):
    """What stood under a slot letter."""

    slot = serializers.CharField()
    candidate = serializers.UUIDField()


class JudgementShape(serializers.ModelSerializer[Judgement]):
    """`answers`: question → what it is about (a candidate's id, or nothing for the whole) → value, or why there is
    none."""

    study = serializers.SlugRelatedField[Study](source="participation.study", slug_field="slug", read_only=True)
    version = serializers.IntegerField(source="version.number", read_only=True)
    step = serializers.CharField(source="assignment.step", read_only=True)
    item = serializers.UUIDField(source="assignment.item_id", read_only=True)
    assignment = serializers.UUIDField(source="assignment_id", read_only=True)
    annotator = serializers.UUIDField(source="participation_id", read_only=True)
    kind = serializers.ChoiceField(
        source="participation.annotator.kind", choices=Annotator.Kind.choices, read_only=True
    )
    rehearsal = serializers.BooleanField(source="participation.rehearsal", read_only=True)
    shown = serializers.SerializerMethodField(help_text="In the order of the card.")
    answers = serializers.DictField(read_only=True)
    chosen = serializers.UUIDField(source="chosen_id", read_only=True, allow_null=True)
    choice = serializers.DictField(read_only=True)
    timings = serializers.DictField(read_only=True)
    replaces = serializers.UUIDField(source="replaces_id", read_only=True, allow_null=True)

    class Meta:
        model = Judgement
        fields = [
            "id",
            "receipt",
            "study",
            "version",
            "step",
            "protocol",
            "item",
            "assignment",
            "annotator",
            "kind",
            "rehearsal",
            "shown",
            "answers",
            "chosen",
            "choice_rule",
            "choice",
            "timings",
            "late",
            "replaces",
            "submitted_at",
        ]
        read_only_fields = fields

    @extend_schema_field(ShownShape(many=True))
    def get_shown(self, judgement: Judgement) -> list[dict[str, str]]:
        slots = judgement.assignment.presentation.slots()
        return [{"slot": slot, "candidate": candidate} for slot, candidate in slots.items()]


class ConversationShape(serializers.ModelSerializer[Conversation]):
    study = serializers.SlugRelatedField[Study](source="participation.study", slug_field="slug", read_only=True)
    annotator = serializers.UUIDField(source="participation_id", read_only=True)
    rehearsal = serializers.BooleanField(source="participation.rehearsal", read_only=True)

    class Meta:
        model = Conversation
        fields = [
            "id",
            "study",
            "annotator",
            "rehearsal",
            "step",
            "number",
            "type",
            "state",
            "started_at",
            "finished_at",
        ]
        read_only_fields = fields


class TurnCandidateShape(serializers.ModelSerializer[Candidate]):
    text = serializers.CharField(read_only=True)

    class Meta:
        model = Candidate
        fields = ["id", "state", "text", "pool_entry"]
        read_only_fields = fields


class TurnShape(serializers.ModelSerializer[Turn]):
    """`parent` is the turn whose chosen answer this one goes on from."""

    parent = serializers.UUIDField(source="parent_id", read_only=True, allow_null=True)  # type: ignore[assignment]  # hides a name of the class that nothing here uses
    item = serializers.UUIDField(source="item_id", read_only=True)
    candidates = TurnCandidateShape(source="item.candidates", many=True, read_only=True)
    chosen = serializers.UUIDField(source="chosen_id", read_only=True, allow_null=True)

    class Meta:
        model = Turn
        fields = ["id", "parent", "number", "attempt", "state", "user_text", "item", "candidates", "chosen"]
        read_only_fields = fields


class WholeConversationShape(ConversationShape):
    turns = TurnShape(many=True, read_only=True)

    class Meta(ConversationShape.Meta):
        fields = [*ConversationShape.Meta.fields, "turns"]
        read_only_fields = fields
