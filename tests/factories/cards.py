"""Comparisons for tests: a study with a step of cards, items with their candidates, and people who hold a place."""

import copy
import hashlib
import itertools
from typing import Any

from django.utils import timezone

from annotation.assignments.models import Assignment
from annotation.assignments.services import open_places
from annotation.items.models import Candidate, Item, ItemSet, MediaFile
from annotation.judgements.services import Submission, next_place, submit_judgement
from annotation.participation.models import Participation
from annotation.studies.document.comparisons import ComparisonsStep
from annotation.studies.models import Study
from annotation.studies.queries import document_of
from tests.factories import participations, studies

PAIRS: dict[str, Any] = {
    "study": "pairs",
    "title": "Compare answers",
    "item_sets": {"things": {}},
    "questions": {
        "score": {"kind": "likert", "text": "How good is it?", "points": {"count": 5, "ends": ["Bad", "Good"]}},
        "why": {"kind": "long_text", "text": "Why?", "required": False},
        "goal": {"kind": "single_choice", "text": "What matters most here?", "choices": ["Truth", "Brevity"]},
    },
    "protocols": {"compare": {"arrangement": "pair", "choice": {"from": "pick"}, "about_item": ["why"]}},
    "steps": [
        {"comparisons": "cards", "title": "Pairs", "items": "things", "protocol": "compare", "per_person": {"max": 2}},
        {"debrief": {"text": "Thank you."}},
    ],
}
_keys = (f"card-key-{number}" for number in itertools.count())


def key() -> str:
    """A one-time key that no test has used."""
    return next(_keys)


def document(**changes: Any) -> dict[str, Any]:
    """A copy of the document; `step` and `protocol` change parts of it, other names its top keys."""
    made = copy.deepcopy(PAIRS)
    made["steps"][0] |= changes.pop("step", {})
    made["protocols"]["compare"] |= changes.pop("protocol", {})
    made["questions"] |= changes.pop("questions", {})
    return made | changes


def text(words: str) -> dict[str, Any]:
    """A candidate that is text."""
    return {"text": words}


def item(made: Study, candidates: list[dict[str, Any]] | None = None, **context: Any) -> Item:
    """One more item of the set, with a place for everybody that the step wants. Candidates are contents; with a key
    `own` they have a context of their own."""
    things, _ = ItemSet.objects.get_or_create(study=made, name="things")
    number = things.items.count()
    made_item = Item.objects.create(
        item_set=things,
        origin=Item.Origin.IMPORTED,
        external_id=f"item-{number}",
        ordinal=number,
        context=context or {"messages": [{"role": "user", "content": f"Question {number}?"}]},
        created_at=timezone.now(),
    )
    for position, content in enumerate(candidates or [text(f"First words {number}."), text(f"Other words {number}.")]):
        own = {name: value for name, value in content.items() if name != "own"}
        Candidate.objects.create(
            item=made_item,
            position=position,
            state=Candidate.State.FINAL,
            content=own,
            context=content.get("own", {}),
            provenance={"model": f"secret-model-{position}"},
        )
    return made_item


def picture(made: Study, name: str, *, kind: str = "image", content_type: str = "image/png") -> MediaFile:
    """A file of the set, as a row; there is nothing under its hash."""
    things, _ = ItemSet.objects.get_or_create(study=made, name="things")
    return MediaFile.objects.create(
        item_set=things,
        kind=kind,
        name=name,
        content_type=content_type,
        sha256=hashlib.sha256(name.encode()).hexdigest(),
        bytes=10,
        width=40,
        height=30,
        created_at=timezone.now(),
    )


def step_of(made: Study) -> ComparisonsStep:
    assert made.current is not None
    return next(step for step in document_of(made.current).steps if isinstance(step, ComparisonsStep))


def open_all(made: Study) -> None:
    """A place for each item and copy."""
    assert made.current is not None
    open_places(version=made.current, step=step_of(made), now=timezone.now())


def judge(items: int = 2, **changes: Any) -> Participation:
    """A person in a study with so many items of two texts each."""
    made = studies.study(document(**changes))
    for _ in range(items):
        item(made)
    open_all(made)
    return participations.participation(made)


def held(person: Participation) -> Assignment:
    """The place that the person holds, leased now if they held none."""
    place = next_place(participation=person, step=step_of(person.study), now=timezone.now())
    assert place is not None
    return place


def judged(place: Assignment, **fields: str) -> Submission:
    """Judge a place; without fields slot A is picked."""
    person = place.participation
    assert person is not None
    posted = {name.replace("_", "-"): [value] for name, value in (fields or {"chosen": "A"}).items()}
    return submit_judgement(
        assignment_id=place.pk, participation=person, key=key(), fields=posted, timings={}, now=timezone.now()
    )
