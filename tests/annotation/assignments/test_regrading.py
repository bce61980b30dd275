"""Regrading: earlier items come again to the same people when a question has changed."""

from typing import Any

import pytest
from django.utils import timezone

from annotation.accounts.models import AuditEntry
from annotation.assignments.models import Assignment
from annotation.assignments.services import ask_again
from annotation.judgements.models import Judgement
from annotation.participation.models import Participation
from annotation.participation.services import complete_step
from annotation.studies.document import StudyDocument
from annotation.studies.models import Study, StudyVersion
from annotation.studies.queries import document_of
from tests.factories import comparisons
from tests.factories.participations import browser

pytestmark = pytest.mark.django_db
NOW = timezone.now()
BOTH = {"protocol": ["rate", "alike"], "overlap": 1}


def republish(study: Study, question: str = "", words: str = "", **changes: Any) -> None:
    """The next version, with another wording of one question."""
    document = comparisons.document(**changes)
    if question:
        document["questions"][question]["text"] = words or f"In other words: {study.versions.count()}?"
    parsed = StudyDocument.model_validate(document)
    study.current = StudyVersion.objects.create(
        study=study,
        number=study.versions.count() + 1,
        document=parsed.canonical(),
        sha256=parsed.sha256(),
        published_at=NOW,
    )
    study.save()


def again(study: Study) -> int:
    return ask_again(study=study, step=comparisons.step_of(study), actor="ada", now=NOW)


def test_only_what_was_asked_in_other_words_is_asked_again_and_once() -> None:
    study = comparisons.comparing(2, step=BOTH)
    comparisons.judge_all(comparisons.person(study))
    assert again(study) == 0
    republish(study, step=BOTH | {"minutes": 3})
    assert again(study) == 0
    republish(study, "agree", step=BOTH | {"minutes": 3})
    assert (again(study), again(study)) == (2, 0)
    kept = Assignment.objects.filter(reason="regrade")
    assert {(place.protocol, place.state, place.repeat, place.version) for place in kept} == {
        ("alike", "open", 1, study.current)
    }
    republish(study, "agree", step=BOTH | {"minutes": 4})
    assert again(study) == 2
    # the first request was not followed, and its wording is gone
    assert [place.version for place in Assignment.objects.filter(reason="regrade")] == [study.current] * 2
    assert AuditEntry.objects.filter(action="study.ask_again").count() == 5


def test_what_was_judged_again_in_the_same_words_is_not_asked_for_once_more() -> None:
    step = {"protocol": "alike", "overlap": 1}
    study = comparisons.comparing(1, step=step)
    person = comparisons.person(study)
    comparisons.judge_all(person)
    made = []
    for minutes, words in ((1, "How near?"), (2, "How near?"), (3, "How far?")):
        republish(study, "agree", words, step=step | {"minutes": minutes})
        made.append(again(study))
        comparisons.judge_all(person)
    assert made == [1, 0, 1]


def test_kept_places_come_first_to_their_person_and_to_nobody_else() -> None:
    study = comparisons.comparing(4, step={"protocol": "alike", "overlap": 1})
    person, other = comparisons.person(study), comparisons.person(study)
    first, second = comparisons.judge_all(person, most=2)
    republish(study, "agree", step={"protocol": "alike", "overlap": 1})
    again(study)
    assert len(comparisons.judge_all(other)) == 2
    cards = comparisons.judge_all(person)
    assert [(card.item, card.reason) for card in cards] == [(first.item, "regrade"), (second.item, "regrade")]
    # the earlier judgement stays, under its version
    versions = Judgement.objects.filter(assignment__item=first.item).values_list("version__number", flat=True)
    assert sorted(versions) == [1, 2]
    assert [card.presentation.order for card in cards] == [one.presentation.order for one in (first, second)]


def test_who_is_at_the_end_is_offered_to_go_back_and_comes_to_the_end_again() -> None:
    study = comparisons.comparing(3, step={"protocol": "alike", "overlap": 1})
    person = comparisons.person(study)
    comparisons.judge_all(person, most=2)
    complete_step(participation=person, step="judge", now=NOW)
    assert person.state == Participation.State.COMPLETED
    client = browser(person)
    assert "go-back" not in client.get(f"/p/{person.pk}/end/").content.decode()
    republish(study, "agree", step={"protocol": "alike", "overlap": 1})
    assert again(study) == 2
    assert f"/p/{person.pk}/go-back/" in client.get(f"/p/{person.pk}/end/").content.decode()
    for _ in range(2):
        client.post(f"/p/{person.pk}/go-back/")
    person.refresh_from_db()
    assert (person.state, person.step) == ("active", 0)
    # nothing new is given to them, only what they judged before
    assert [card.reason for card in comparisons.judge_all(person)] == ["regrade", "regrade"]
    complete_step(participation=person, step="judge", now=NOW)
    assert (person.state, person.asked_back, person.step) == ("completed", "", 1)
    assert "go-back" not in client.get(f"/p/{person.pk}/end/").content.decode()
    assert document_of(person.version) != document_of(study.current)  # type: ignore[arg-type]  # it is published


def test_people_who_left_are_not_asked() -> None:
    study = comparisons.comparing(1, step={"protocol": "alike", "overlap": 1})
    person = comparisons.person(study)
    comparisons.judge_all(person)
    Participation.objects.filter(pk=person.pk).update(state=Participation.State.WITHDRAWN)
    republish(study, "agree", step={"protocol": "alike", "overlap": 1})
    assert again(study) == 0
