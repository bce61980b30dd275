"""Studies with comparisons for tests: a document, its items, the places, people who judge."""

import copy
import uuid
from collections.abc import Sequence
from datetime import datetime
from typing import Any

from django.utils import timezone

from annotation.assignments.models import Assignment
from annotation.assignments.services import lease_next, open_places
from annotation.items.models import Candidate, Item, ItemSet
from annotation.judgements.services import Submission, submit_judgement
from annotation.participation.models import Participation
from annotation.studies.document.comparisons import ComparisonsStep
from annotation.studies.models import Study
from annotation.studies.queries import document_of
from tests.factories import participations, studies

COMPARE: dict[str, Any] = {
    "study": "compare",
    "title": "Compare answers",
    "pools": ["crowd", "expert"],
    "item_sets": {"pairs": {}},
    "questions": {
        "score": {"kind": "slider", "text": "How good is it?", "scale": {"min": 0, "max": 100, "start": 50}},
        "agree": {"kind": "slider", "text": "How alike are they?", "scale": {"min": 0, "max": 10, "start": 5}},
    },
    "protocols": {
        "rate": {"arrangement": "pair", "per_candidate": ["score"]},
        "alike": {"arrangement": "pair", "about_item": ["agree"]},
    },
    "steps": [
        {"comparisons": "judge", "items": "pairs", "protocol": "rate", "overlap": 2},
        {"debrief": {"text": "Thank you."}},
    ],
}


def document(**changes: Any) -> dict[str, Any]:
    """A copy of the document; `step` changes its step, other names its top keys."""
    made = copy.deepcopy(COMPARE)
    made["steps"][0] |= changes.pop("step", {})
    return made | changes


def add_items(
    study: Study, count: int = 3, *, name: str = "pairs", candidates: int = 2, first: int = 0, **fields: Any
) -> list[Item]:
    """Items `first`, `first + 1`, … of the study's set, each with candidates of the models m0, m1, …"""
    item_set, _ = ItemSet.objects.get_or_create(study=study, name=name)
    now = timezone.now()
    made = [
        Item(
            item_set=item_set,
            origin="imported",
            external_id=f"item-{number}",
            ordinal=number,
            context={"messages": [{"role": "user", "content": f"Question {number}"}]},
            created_at=now,
            **fields,
        )
        for number in range(first, first + count)
    ]
    Item.objects.bulk_create(made)
    Candidate.objects.bulk_create(
        Candidate(
            item=item,
            position=position,
            state=Candidate.State.FINAL,
            content={"text": f"Answer {position} to {item.ordinal}"},
            provenance={"model": f"m{position}"},
        )
        for item in made
        for position in range(candidates)
    )
    return made


def comparing(items: int = 3, *, places: bool = True, **changes: Any) -> Study:
    """A study with that many items, and the places of its step; changes are those of `document`."""
    made = studies.study(document(**changes))
    add_items(made, items)
    if places:
        open_all(made)
    return made


def step_of(study: Study, name: str = "judge") -> ComparisonsStep:
    assert study.current is not None
    steps = document_of(study.current).steps
    return next(step for step in steps if isinstance(step, ComparisonsStep) and step.name == name)


def open_all(study: Study, now: datetime | None = None) -> int:
    assert study.current is not None
    return open_places(version=study.current, step=step_of(study), now=now or timezone.now())


def person(study: Study, **changes: Any) -> Participation:
    return participations.participation(study, **changes)


def leased(person: Participation, now: datetime | None = None) -> Assignment | None:
    return lease_next(participation=person, step=step_of(person.study), now=now or timezone.now())


def fields_of(place: Assignment, values: Sequence[int] = ()) -> dict[str, list[str]]:
    """The form of a place: scores by slot, A first; or one number about the whole."""
    slots = place.presentation.slots()
    if place.protocol == "alike":
        return {"agree": [str((values or [5])[0])]}
    return {f"{slot}-score": [str(value)] for slot, value in zip(slots, values or range(len(slots)), strict=True)}


def judged(place: Assignment, values: Sequence[int] = (), now: datetime | None = None) -> Submission:
    """Judge a leased place."""
    assert place.participation is not None
    return submit_judgement(
        assignment_id=place.pk,
        participation=place.participation,
        key=uuid.uuid4().hex,
        fields=fields_of(place, values),
        timings={},
        now=now or timezone.now(),
    )


def judge_all(person: Participation, *, most: int = 1000, now: datetime | None = None) -> list[Assignment]:
    """Judge until nothing is left; the places in the order in which they came."""
    done = []
    while len(done) < most and (place := leased(person, now)) is not None:
        judged(place, now=now)
        done.append(place)
    return done
