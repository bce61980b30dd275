"""Reads about taking part: where somebody is, what they said, how far it is."""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from django.urls import reverse
from django.utils.translation import gettext as _
from django.utils.translation import ngettext

from annotation.accounts.models import Identity
from annotation.common.languages import direction
from annotation.participation.models import Draft, Participation, ProfileEntry
from annotation.participation.panels import provider_of
from annotation.participation.steps import current_step, step_kind, steps_for, steps_to_do
from annotation.studies.document import StudyDocument
from annotation.studies.models import Study
from annotation.studies.queries import document_of
from annotation.studies.texts import in_language


@dataclass(frozen=True, slots=True)
class Progress:
    """Where somebody is: step `number` of `count`, and what the document's minutes say about the rest."""

    number: int
    count: int
    percent: int
    minutes_left: int

    @property
    def time_left(self) -> str:
        if self.minutes_left < 1:
            return _("less than a minute left")
        return ngettext("about %(n)d minute left", "about %(n)d minutes left", self.minutes_left) % {
            "n": self.minutes_left
        }


@dataclass(frozen=True, slots=True)
class Frame:
    """What stands around a page: `base.html` reads it as `frame`."""

    title: str
    language: str
    dir: str
    contact: str = ""
    progress: Progress | None = None
    leave_url: str = ""
    my_data_url: str = ""


def participation_of(*, study: Study, person: str, rehearsal: bool = False) -> Participation | None:
    """The participation of whoever has that panel id."""
    if not person:
        return None
    identities = Identity.objects.filter(provider=provider_of(study, rehearsal=rehearsal), external_id=person)
    rows = Participation.objects.select_related("version")
    return rows.filter(study=study, annotator__in=identities.values("annotator")).first()


def frame(participation: Participation) -> dict[str, Any]:
    """The template context that every page of a participation needs."""
    document = document_of(participation.version)
    active = participation.state == Participation.State.ACTIVE
    return {
        "participation": participation,
        "frame": Frame(
            title=in_language(document.title, participation.language),
            language=participation.language,
            dir=direction(participation.language),
            contact=document.contact,
            progress=progress(participation) if active else None,
            leave_url=reverse("participation:leave", args=[participation.pk]) if active else "",
            my_data_url=reverse("participation:my_data", args=[participation.pk]),
        ),
    }


def current_url(participation: Participation) -> str:
    """Where the person goes on; the end page when there is nothing more to do."""
    if participation.state != Participation.State.ACTIVE:
        return reverse("participation:end", args=[participation.pk])
    step = current_step(participation)
    return step_kind(step.kind).url(participation, step, participation.step)


def progress(participation: Participation) -> Progress:
    """How far it is: steps as people count them, time by the document's minutes."""
    steps = document_of(participation.version).steps
    mine = steps_for(participation)
    here = max((place for place, index in enumerate(mine) if index <= participation.step), default=0)
    step = steps[mine[here]]
    within = step_kind(step.kind).progress(participation, step)
    minutes = [steps[index].minutes for index in mine]
    left = sum(minutes[here:]) - minutes[here] * within
    total = sum(minutes)
    done = (total - left) / total if total else (here + within) / len(mine)
    return Progress(here + 1, len(mine), round(100 * done), math.ceil(left) if left >= 1 else 0)


def closing_text(document: StudyDocument, language: str) -> str:
    """The text of a debrief that closes the study."""
    last = document.steps[-1]
    return in_language(last.text, language) if last.kind == "debrief" else ""


def stored_answers(participation: Participation) -> dict[str, Mapping[str, Any]]:
    """Question → its newest answer, in the shape that conditions read."""
    rows = ProfileEntry.objects.filter(participation=participation).order_by("pk")
    return {row["question"]: row for row in rows.values("question", "value", "missing", "shown_order", "details")}


def draft_fields(participation: Participation, place: str) -> dict[str, list[str]]:
    """What was typed or sent at that place and belongs to a step that is not finished."""
    fields = Draft.objects.filter(participation=participation, place=place).values_list("fields", flat=True).first()
    return fields or {}


def end_code(participation: Participation) -> str:
    """The panel's code for how it ended, from what is stored. Who withdrew before the end gets the code of those who
    did not consent; who withdrew afterwards was given theirs already."""
    codes = document_of(participation.version).panel.codes
    states = Participation.State
    match participation.state:
        case states.COMPLETED:
            return codes.complete
        case states.WITHDRAWN:
            finished = participation.step >= steps_to_do(document_of(participation.version))
            return "" if finished else codes.no_consent
        case states.SCREENED_OUT | states.FULL | states.NO_CONSENT | states.TIMED_OUT:
            return str(getattr(codes, participation.state))
        case _:
            return ""


def return_address(participation: Participation) -> str:
    """The panel's address to go back to, with the code filled in; empty where there is no panel or no code."""
    panel = document_of(participation.version).panel
    code = end_code(participation)
    usual = "https://app.prolific.com/submissions/complete?cc={code}" if panel.kind == "prolific" else ""
    return (panel.return_url or usual).replace("{code}", code) if code else ""
