"""What people, judges and bots did: places, judgements, talks. Nobody who withdrew is in any of it."""

from typing import Any

from django.db.models import QuerySet
from rest_framework import serializers

from annotation.accounts.models import Annotator
from annotation.api.rules import is_seen, opens
from annotation.api.serializers.people import (
    AnnotatorShape,
    AssignmentShape,
    ConversationShape,
    JudgementShape,
    WholeConversationShape,
)
from annotation.api.views.base import Listing, Single
from annotation.assignments.models import Assignment
from annotation.conversations.models import Conversation
from annotation.judgements.models import Judgement
from annotation.participation.models import Participation


class AnnotatorFilters(serializers.Serializer[Any]):
    study = serializers.SlugField(required=False)
    kind = serializers.ChoiceField(choices=Annotator.Kind.choices, required=False)
    state = serializers.ChoiceField(
        choices=[choice for choice in Participation.State.choices if choice[0] != Participation.State.WITHDRAWN],
        required=False,
    )
    pool = serializers.CharField(max_length=80, required=False)


class Annotators(Listing):
    """Who takes part in the token's studies: people, AI judges and rehearsal bots, under pseudonyms."""

    address = "annotators"
    serializer_class = AnnotatorShape
    ordering = ("started_at", "id")
    filters = AnnotatorFilters
    ways = {"study": "study__slug", "kind": "annotator__kind"}

    def get_queryset(self) -> QuerySet[Participation]:
        return annotators(self)


class OneAnnotator(Single):
    """An annotator of one study."""

    address = "annotator"
    serializer_class = AnnotatorShape

    def get_queryset(self) -> QuerySet[Participation]:
        return annotators(self)


def annotators(view: Any) -> QuerySet[Participation]:
    people = Participation.objects.filter(opens(view.token, "study"), is_seen())
    return people.select_related("study", "version", "annotator").defer("study__draft", "version__document")


class AssignmentFilters(serializers.Serializer[Any]):
    study = serializers.SlugField(required=False)
    step = serializers.CharField(max_length=80, required=False)
    protocol = serializers.CharField(max_length=80, required=False)
    state = serializers.ChoiceField(choices=Assignment.State.choices, required=False)
    item = serializers.UUIDField(required=False)
    annotator = serializers.UUIDField(required=False)


class Assignments(Listing):
    """Places for judgements, whatever became of them."""

    address = "assignments"
    serializer_class = AssignmentShape
    ordering = ("id",)
    filters = AssignmentFilters
    ways = {"study": "study__slug", "annotator": "participation"}

    def get_queryset(self) -> QuerySet[Assignment]:
        return assignments(self)


class OneAssignment(Single):
    """A place for one judgement."""

    address = "assignment"
    serializer_class = AssignmentShape

    def get_queryset(self) -> QuerySet[Assignment]:
        return assignments(self)


def assignments(view: Any) -> QuerySet[Assignment]:
    gone = Participation.objects.filter(state=Participation.State.WITHDRAWN)
    places = Assignment.objects.filter(opens(view.token, "study")).exclude(participation__in=gone)
    return places.select_related("study").defer("study__draft")


class JudgementFilters(serializers.Serializer[Any]):
    study = serializers.SlugField(required=False)
    step = serializers.CharField(max_length=80, required=False)
    protocol = serializers.CharField(max_length=80, required=False)
    item = serializers.UUIDField(required=False)
    annotator = serializers.UUIDField(required=False)
    kind = serializers.ChoiceField(choices=Annotator.Kind.choices, required=False)
    rehearsal = serializers.ChoiceField(choices=["true", "false"], required=False)
    since = serializers.DateTimeField(required=False, help_text="Submitted at this time or later.")


class Judgements(Listing):
    """What was answered, the oldest first. Rows are only ever added; a correction names the row that it replaces."""

    address = "judgements"
    serializer_class = JudgementShape
    ordering = ("submitted_at", "id")
    filters = JudgementFilters
    ways = {
        "study": "participation__study__slug",
        "step": "assignment__step",
        "item": "assignment__item",
        "annotator": "participation",
        "kind": "participation__annotator__kind",
        "rehearsal": "participation__rehearsal",
        "since": "submitted_at__gte",
    }

    def get_queryset(self) -> QuerySet[Judgement]:
        return judgements(self)


class OneJudgement(Single):
    """A judgement."""

    address = "judgement"
    serializer_class = JudgementShape

    def get_queryset(self) -> QuerySet[Judgement]:
        return judgements(self)


def judgements(view: Any) -> QuerySet[Judgement]:
    rows = Judgement.objects.filter(opens(view.token, "participation__study"), is_seen("participation"))
    beside = ("version", "assignment__presentation", "participation__study", "participation__annotator")
    return rows.select_related(*beside).defer("version__document", "participation__study__draft")


class ConversationFilters(serializers.Serializer[Any]):
    study = serializers.SlugField(required=False)
    annotator = serializers.UUIDField(required=False)
    state = serializers.ChoiceField(choices=Conversation.State.choices, required=False)


class Conversations(Listing):
    """Live talks, the oldest first."""

    address = "conversations"
    serializer_class = ConversationShape
    ordering = ("started_at", "id")
    filters = ConversationFilters
    ways = {"study": "participation__study__slug", "annotator": "participation"}

    def get_queryset(self) -> QuerySet[Conversation]:
        return conversations(self)


class OneConversation(Single):
    """A live talk with its tree of turns, the answers that were not chosen too."""

    address = "conversation"
    serializer_class = WholeConversationShape

    def get_queryset(self) -> QuerySet[Conversation]:
        return conversations(self).prefetch_related("turns__item__candidates")


def conversations(view: Any) -> QuerySet[Conversation]:
    talks = Conversation.objects.filter(opens(view.token, "participation__study"), is_seen("participation"))
    return talks.select_related("participation__study").defer("participation__study__draft")
