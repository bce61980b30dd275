"""What an AI judge does: take a place, look at its card, answer it, or hand it back. Its token is bound to one study,
and it has one place at a time, as a person has."""

from typing import Any
from uuid import UUID

from django.http.response import HttpResponseBase
from django.utils import timezone, translation
from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import extend_schema
from rest_framework.exceptions import ValidationError
from rest_framework.request import Request
from rest_framework.response import Response

from annotation.api import cards
from annotation.api.keys import NEEDED_KEY, needed_key
from annotation.api.serializers import judging as shapes
from annotation.api.services.judging import judged_steps, lease_card
from annotation.api.views.base import Endpoint
from annotation.assignments.models import Assignment
from annotation.assignments.queries import media_for
from annotation.assignments.services import give_back, heartbeat, skip_place
from annotation.common.errors import ConflictError, NotFoundError
from annotation.items.serving import media_response
from annotation.judgements.services import Submission, change_judgement, store_before, submit_judgement
from annotation.participation.models import Participation
from annotation.studies.document.comparisons import ComparisonsStep
from annotation.studies.document.protocols import Choice
from annotation.studies.forms import QuestionForm


class Lease(Endpoint):
    """Take the next place."""

    address = "lease"
    does = {"POST": "lease"}
    problems = {"POST": (404, 409)}

    @extend_schema(request=shapes.Lease, responses={200: shapes.Card, 204: None})
    def post(self, request: Request) -> Response:
        """The card of the place that the judge holds, or of the next one, which is the judge's from now on. 204: there
        is nothing to judge now."""
        asked = self.read(shapes.Lease)
        place = lease_card(token=self.token, step=asked["step"], now=timezone.now())
        if place is None:
            return Response(status=204)
        assert place.participation is not None  # noqa: S101 - it is leased
        return Response(_card(place, place.participation))


class OwnPlace(Endpoint):
    """An address about one of the judge's own places; anybody else's does not exist."""

    def own(self, pk: UUID) -> tuple[Assignment, ComparisonsStep]:
        places = Assignment.objects.select_related("presentation", "item", "version", "participation")
        mine = places.filter(pk=pk, participation=self.token.participation_id, participation__isnull=False)
        place = mine.filter(presentation__isnull=False).prefetch_related("item__candidates").first()
        steps = judged_steps(_judge(place)) if place else {}
        if place is None or place.step not in steps:
            raise NotFoundError("This judge has no such place.")
        if _judge(place).state != Participation.State.ACTIVE:
            raise ConflictError("This judge takes part no more.")
        # texts that become part of an answer are in the judge's language, as on a page
        translation.activate(_judge(place).language)
        return place, steps[place.step]


def _judge(place: Assignment) -> Participation:
    assert place.participation is not None  # noqa: S101 - asked for by its participation
    return place.participation


def _card(place: Assignment, participation: Participation) -> dict[str, Any]:
    step = judged_steps(participation)[place.step]
    return dict(shapes.Card(cards.card_of(place, participation, step)).data)


class Card(OwnPlace):
    """What is shown in a place of the judge's."""

    address = "card"
    problems = {"GET": (409,)}

    @extend_schema(responses=shapes.Card)
    def get(self, request: Request, pk: UUID) -> Response:
        place, _ = self.own(pk)
        return Response(_card(place, _judge(place)))


class Before(OwnPlace):
    """Answer what is asked before the candidates show."""

    address = "before"
    does = {"POST": "answer_before"}
    problems = {"POST": (409,)}

    @extend_schema(request=shapes.Answered, responses=shapes.Card)
    def post(self, request: Request, pk: UUID) -> Response:
        """Keep the answers; the card comes back with its candidates. The same answers again change nothing, others are
        refused."""
        sent = self.read(shapes.Answered)
        place, _ = self.own(pk)
        judge = _judge(place)
        fields = _fields(cards.first_form_of(place, judge, {}), sent)
        now = timezone.now()
        place.presentation = store_before(
            assignment_id=place.pk, participation=judge, fields=fields, timings={}, now=now
        )
        return Response(_card(place, judge))


class Submit(OwnPlace):
    """Answer a card."""

    address = "submit"
    does = {"POST": "submit"}
    problems = {"POST": (409,)}
    write = staticmethod(submit_judgement)

    @extend_schema(request=shapes.Submit, responses={200: shapes.Receipt, 201: shapes.Receipt}, parameters=[NEEDED_KEY])
    def post(self, request: Request, pk: UUID) -> Response:
        """Store the judgement and close the place. 200 instead of 201: it was stored before, under the same key. The
        same key with other answers is refused, and the first stay."""
        key, sent = needed_key(request), self.read(shapes.Submit)
        place, _ = self.own(pk)
        form = cards.form_of(place, _judge(place), {})
        submission = self.write(
            assignment_id=place.pk,
            participation=_judge(place),
            key=key,
            fields=_fields(form.questions, sent, form.asking.choice),
            timings={"report": sent["report"]} if sent["report"] else {},
            now=timezone.now(),
        )
        receipt = _receipt(submission, form.slots)
        return Response(shapes.Receipt(receipt).data, status=200 if submission.repeated else 201)


class Change(Submit):
    """Answer the card that was judged last once more, while the study allows it."""

    address = "change"
    does = {"POST": "change"}
    write = staticmethod(change_judgement)


def _fields(form: QuestionForm, sent: dict[str, Any], choice: Choice | None = None) -> dict[str, list[str]]:
    """The form's fields, as a browser would send them. A field that answers nothing is a mistake, not nothing."""
    if "answers" in sent:
        fields = cards.fields_from_answers(form, sent["answers"])
    else:
        fields = {name: cards.values_of(value) for name, value in sent["fields"].items()}
    if unknown := cards.unknown_fields(form, fields, choice):
        raise ValidationError({"fields": dict.fromkeys(unknown, "This answers no question of the card.")})
    return fields


def _receipt(submission: Submission, slots: dict[str, str]) -> dict[str, Any]:
    judgement = submission.judgement
    letters = {candidate: slot for slot, candidate in slots.items()}
    return {
        "judgement": judgement.pk,
        "receipt": judgement.receipt,
        "chosen": letters.get(str(judgement.chosen_id)),
        "late": judgement.late,
        "repeated": submission.repeated,
    }


class Medium(Endpoint):
    """An image, a sound or a film that a card of the judge's shows."""

    address = "medium"

    @extend_schema(responses={(200, "application/octet-stream"): OpenApiTypes.BINARY})
    def get(self, request: Request, pk: UUID) -> HttpResponseBase:
        judge = self.token.participation
        found = media_for(judge, pk) if judge else None
        if found is None:
            raise NotFoundError("There is no such file.")
        return media_response(request._request, found)


class Heartbeat(OwnPlace):
    """Say that the judge is still at work."""

    address = "heartbeat"
    does = {"POST": "heartbeat"}
    problems = {"POST": (409,)}

    @extend_schema(request=None, responses=shapes.Until)
    def post(self, request: Request, pk: UUID) -> Response:
        """The place stays the judge's for another while."""
        place, step = self.own(pk)
        until = heartbeat(participation=_judge(place), step=step, now=timezone.now())
        if until is None or place.state != Assignment.State.LEASED:
            raise ConflictError("This place is not held any more.")
        return Response(shapes.Until({"leased_until": until}).data)


class GiveBack(OwnPlace):
    """Hand a place back."""

    address = "give-back"
    does = {"POST": "give_back"}
    problems = {"POST": (409,)}

    @extend_schema(request=None, responses={204: None})
    def post(self, request: Request, pk: UUID) -> Response:
        """The place is open again, to this judge too."""
        place, step = self.own(pk)
        if place.state != Assignment.State.LEASED:
            raise ConflictError("This place is not held any more.")
        give_back(participation=_judge(place), step=step, now=timezone.now())
        return Response(status=204)


class Skip(OwnPlace):
    """Leave an item unjudged."""

    address = "skip"
    does = {"POST": "skip"}
    problems = {"POST": (409,)}

    @extend_schema(request=shapes.Skip, responses={204: None})
    def post(self, request: Request, pk: UUID) -> Response:
        """The judge does not get the item again; others do. Only where the study allows it."""
        reason = self.read(shapes.Skip)["reason"]
        place, step = self.own(pk)
        skip_place(assignment_id=pk, participation=_judge(place), step=step, reason=reason, now=timezone.now())
        return Response(status=204)
