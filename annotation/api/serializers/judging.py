"""A judge's card, and what a judge sends."""

from collections.abc import Mapping
from typing import Any

from drf_spectacular.utils import extend_schema_field
from rest_framework import serializers

from annotation.api.parsers import canonical
from annotation.assignments.models import Assignment

MOST_FIELDS = 2_000
MOST_REPORT_CHARS = 100_000
SCALAR = {"type": ["string", "number", "boolean"]}
VALUE = {"anyOf": [SCALAR, {"type": "array", "items": SCALAR, "maxItems": 200}]}
TEXTS = {"type": "array", "items": {"type": "string"}}


def _is_value(value: Any) -> bool:
    several = value if isinstance(value, list) else [value]
    return len(several) <= 200 and all(isinstance(one, str | int | float | bool) for one in several)


@extend_schema_field({"type": "object", "additionalProperties": VALUE, "maxProperties": MOST_FIELDS})
class FormFields(serializers.Field[Any, Any, Any, Any]):
    """Form field → value, or list of values."""

    def to_internal_value(self, data: Any) -> dict[str, Any]:
        if not isinstance(data, dict) or len(data) > MOST_FIELDS:
            raise serializers.ValidationError(f"An object with at most {MOST_FIELDS} fields is allowed.")
        wrong = {
            name: "A text, a number, true, false, or a list of them." for name in data if not _is_value(data[name])
        }
        if wrong:
            raise serializers.ValidationError(wrong)
        return data

    def to_representation(self, value: Any) -> Any:
        return value


@extend_schema_field({"type": "object", "additionalProperties": True, "maxProperties": MOST_FIELDS})
class Answers(serializers.Field[Any, Any, Any, Any]):
    """Question → value; for a question about each candidate slot → value. An object in a value's place names the parts
    of the question's form."""

    def to_internal_value(self, data: Any) -> dict[str, Any]:
        if not isinstance(data, dict) or len(data) > MOST_FIELDS:
            raise serializers.ValidationError(f"An object with at most {MOST_FIELDS} questions is allowed.")
        wrong = {name: "This is no answer." for name, value in data.items() if not _is_answer(value, 2)}
        if wrong:
            raise serializers.ValidationError(wrong)
        return data

    def to_representation(self, value: Any) -> Any:
        return value


def _is_answer(value: Any, deep: int) -> bool:
    if isinstance(value, Mapping):
        return deep > 0 and len(value) <= MOST_FIELDS and all(_is_answer(part, deep - 1) for part in value.values())
    return _is_value(value)


class Lease(serializers.Serializer[Any]):
    """Which step; without a name, the first that has something to judge."""

    step = serializers.CharField(max_length=80, required=False, default="", allow_blank=True)


class Answered(serializers.Serializer[Any]):
    """Either the form's fields as the card names them, or answers by question."""

    fields = FormFields(required=False)  # type: ignore[assignment]  # declared fields are taken out of the class
    answers = Answers(required=False)

    def validate(self, attrs: dict[str, Any]) -> dict[str, Any]:
        if ("fields" in attrs) == ("answers" in attrs):
            raise serializers.ValidationError({"fields": "Send either fields or answers."})
        return attrs


class Submit(Answered):
    """Answers to a card, and what the judge says of itself."""

    report = serializers.DictField(
        required=False, default=dict, help_text="Model, prompt, raw output and the like; kept beside the answers."
    )

    def validate_report(self, value: dict[str, Any]) -> dict[str, Any]:
        if len(canonical(value)) > MOST_REPORT_CHARS:
            raise serializers.ValidationError(f"At most {MOST_REPORT_CHARS} characters are allowed.")
        return value


class Skip(serializers.Serializer[Any]):
    """Why; one of the reasons that the card offers, where it offers any."""

    reason = serializers.CharField(max_length=80, required=False, default="", allow_blank=True)


# -- what comes back ---------------------------------------------------------------------------------------------------
class CardCandidate(serializers.Serializer[Any]):
    slot = serializers.CharField()
    label = serializers.CharField(help_text="What stands above it, where it is not the letter.")  # type: ignore[assignment]  # as above
    content = serializers.DictField()
    context = serializers.DictField(help_text="Its own prompt or input.")  # type: ignore[assignment]  # as above


class CardQuestion(serializers.Serializer[Any]):
    """A question, and the form fields that answer it."""

    name = serializers.CharField()
    about = serializers.CharField(help_text="A slot letter; empty: the whole.")
    kind = serializers.CharField()
    text = serializers.CharField()
    help = serializers.CharField()
    required = serializers.BooleanField()  # type: ignore[assignment]  # as above
    definition = serializers.DictField(help_text="As in the study's document.")
    shown_with = serializers.DictField(
        help_text="What a page shows with it: `draft`, a proposed answer; `sentences`, picked by their number from 0."
    )
    shown_order = serializers.ListField(child=serializers.CharField(), allow_null=True)
    field = serializers.CharField()
    further_fields = serializers.ListField(child=serializers.CharField())
    example = serializers.DictField(
        child=serializers.ListField(child=serializers.CharField()), help_text="Fields that would be accepted."
    )


class CardChoice(serializers.Serializer[Any]):
    """How the best candidate follows from the answers."""

    decided_by = serializers.CharField(help_text="The question whose highest answer counts, or pick.")
    picked_in = serializers.CharField(allow_null=True, help_text="The field in which it is picked, or a tie is broken.")
    allowed = serializers.ListField(child=serializers.CharField())
    none_acceptable = serializers.BooleanField(help_text="`none` and `none-reason` are fields.")


class CardSkip(serializers.Serializer[Any]):
    reasons = serializers.DictField(child=serializers.CharField())


class Card(serializers.Serializer[Any]):
    """What a person would see in this place."""

    assignment = serializers.UUIDField()
    state = serializers.ChoiceField(choices=Assignment.State.choices)
    asks = serializers.ChoiceField(
        choices=["before", "judgement"], help_text="before: answer these questions first, then the candidates show."
    )
    leased_until = serializers.DateTimeField(allow_null=True)
    step = serializers.CharField()
    protocol = serializers.CharField()
    arrangement = serializers.CharField()
    language = serializers.CharField()
    intro = serializers.CharField()
    instruction = serializers.CharField()
    guidelines = serializers.ListField(child=serializers.CharField())
    context = serializers.DictField()  # type: ignore[assignment]  # as above
    said_before = serializers.DictField(
        child=serializers.CharField(), help_text="Question → what was answered before the candidates showed."
    )
    candidates = CardCandidate(many=True)
    questions = CardQuestion(many=True)
    choice = CardChoice(allow_null=True)
    skip = CardSkip(allow_null=True)


class Until(serializers.Serializer[Any]):
    leased_until = serializers.DateTimeField()


class Receipt(serializers.Serializer[Any]):
    """The judgement is stored. `repeated`: it was before this request came."""

    judgement = serializers.UUIDField()
    receipt = serializers.CharField()
    chosen = serializers.CharField(allow_null=True, help_text="The slot of the best candidate.")
    late = serializers.BooleanField()
    repeated = serializers.BooleanField()
