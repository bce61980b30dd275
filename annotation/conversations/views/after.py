"""The questions after a talk, a block a page."""

from uuid import UUID

from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.utils import timezone

from annotation.common.timers import read_timers
from annotation.conversations.access import Here
from annotation.conversations.pages import after_page
from annotation.conversations.queries import conversation_of_block
from annotation.conversations.services.turns import judge_after
from annotation.conversations.views.talk import key_of, shown, takes_forms, visible
from annotation.judgements.forms import timings_of
from annotation.judgements.services import AnswersRefusedError
from annotation.participation.forms import answer_fields
from annotation.participation.queries import current_url


@takes_forms
def after(request: HttpRequest, place: Here, block: UUID) -> HttpResponse:
    """Answer one block; the next one comes, or the next talk, or the next step."""
    conversation = visible(request, place, conversation_of_block(place.participation, block))
    key = key_of(request)
    try:
        judge_after(
            assignment_id=block,
            conversation_id=conversation.pk,
            participation=place.participation,
            key=key,
            fields=answer_fields(request.POST),
            timings=timings_of(read_timers(str(request.POST.get("timers", "")))),
            now=timezone.now(),
        )
    except AnswersRefusedError as error:
        error.form.fields = {**error.form.fields, "key": [key]}
        return shown(request, "after", place, after_page(place, conversation, error.form) or {}, status=422)
    place.participation.refresh_from_db(fields=["step", "page", "state"])
    return redirect(current_url(place.participation))
