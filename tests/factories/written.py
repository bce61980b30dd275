"""A study in which people judge what others wrote."""

import copy
import uuid
from datetime import datetime
from typing import Any

from annotation.assignments.services import open_missing_places
from annotation.judgements.services import submit_judgement
from annotation.participation.models import Participation
from annotation.studies.document import StudyDocument
from annotation.studies.models import Study, StudyVersion
from tests.factories import comparisons, studies


def document(**item_set: Any) -> dict[str, Any]:
    """A value in words about oneself, an answer written to each item, and a step in which others judge these."""
    made = comparisons.document()
    made["item_sets"] |= {"written": {"from_step": "judge", "from_questions": ["reply"]} | item_set}
    made["questions"] |= {
        "reply": {"kind": "long_text", "text": "What would you say?"},
        "value": {"kind": "long_text", "text": "What matters to you?"},
    }
    made["protocols"] |= {
        "write": {"arrangement": "single", "about_item": ["reply"]},
        "mark": {"arrangement": "single", "per_candidate": ["score"]},
    }
    judge = copy.deepcopy(made["steps"][0]) | {"protocol": "write", "overlap": 2}
    made["steps"] = [
        {"questionnaire": "who", "pages": [["value"]]},
        judge,
        {"comparisons": "marking", "items": "written", "protocol": "mark", "overlap": 1},
    ]
    return made


def study_that_is_fed(now: datetime, **item_set: Any) -> Study:
    study = studies.study(StudyDocument.model_validate(document(**item_set)).canonical())
    comparisons.add_items(study, 1, candidates=1)
    open_missing_places(now=now)
    return study


def write(study: Study, text: str, now: datetime, **changes: Any) -> Participation:
    person = comparisons.person(study, step=1, **changes)
    place = comparisons.leased(person, now)
    assert place is not None
    submit_judgement(
        assignment_id=place.pk,
        participation=person,
        key=uuid.uuid4().hex,
        fields={"reply": [text]},
        timings={},
        now=now,
    )
    return person


def republish(study: Study, document: dict[str, Any], now: datetime) -> None:
    parsed = StudyDocument.model_validate(document)
    number = study.versions.count() + 1
    study.current = StudyVersion.objects.create(
        study=study, number=number, document=parsed.canonical(), sha256=parsed.sha256(), published_at=now
    )
    study.save()
