"""What people write in one step is judged by others in another."""

import copy
from datetime import timedelta
from typing import Any

import pytest
from django.utils import timezone

from annotation.assignments.models import Assignment
from annotation.assignments.services import collect_written, lease_next, open_missing_places
from annotation.items.models import Item
from annotation.judgements.services import change_judgement
from annotation.participation.models import Participation, ProfileEntry
from annotation.participation.services import withdraw
from annotation.studies.document import StudyDocument
from annotation.studies.models import Study
from tests.factories import comparisons, studies, written

pytestmark = pytest.mark.django_db
NOW = timezone.now()


def to_mark(person: Participation) -> list[str]:
    """The texts that this person is given to mark, one after the other."""
    step, seen = comparisons.step_of(person.study, "marking"), []
    while (place := lease_next(participation=person, step=step, now=NOW)) is not None:
        seen += [candidate.text for candidate in place.item.candidates.all()]
        Assignment.objects.filter(pk=place.pk).update(state="done")
    return seen


def test_what_one_person_wrote_is_judged_by_others_and_not_by_themself() -> None:
    study = written.study_that_is_fed(NOW)
    ada, bob = written.write(study, "Tea, of course.", NOW), written.write(study, "Coffee.", NOW)
    assert (collect_written(study=study, now=NOW), collect_written(study=study, now=NOW)) == (2, 0)
    open_missing_places(now=NOW)
    item = Item.objects.get(origin="written", author_id=ada.pk)
    original = Item.objects.get(external_id="item-0")
    assert item.context == original.context
    assert item.candidates.get().provenance == {
        "step": "judge", "from_item": str(original.pk), "question": "reply"
    }  # fmt: skip
    assert (to_mark(ada), to_mark(bob)) == (["Coffee."], ["Tea, of course."])


def study_with_undo(seconds: int) -> Study:
    made = written.document()
    made["steps"][1]["undo"] = seconds
    study = studies.study(made)
    comparisons.add_items(study, 1, candidates=1)
    open_missing_places(now=NOW)
    return study


def test_an_answer_that_can_still_be_changed_waits_and_is_taken_as_it_was_changed() -> None:
    study = study_with_undo(60)
    ada, soon, later = written.write(study, "Tee.", NOW), *(NOW + timedelta(seconds=60 * n + 1) for n in (1, 2))
    place = Assignment.objects.get(participation=ada)
    change_judgement(
        assignment_id=place.pk,
        participation=ada,
        key="again",
        fields={"reply": ["Tea."]},
        timings={},
        now=NOW + timedelta(seconds=59),
    )
    assert [collect_written(study=study, now=at) for at in (NOW, soon, later, later)] == [0, 0, 1, 0]
    assert Item.objects.get(origin="written").candidates.get().text == "Tea."


def test_a_question_that_is_named_later_brings_what_was_written_before() -> None:
    study = written.study_that_is_fed(NOW)
    written.write(study, "Tea.", NOW)
    fed = written.document()
    without = copy.deepcopy(fed)
    without["protocols"]["write"]["about_item"].append("value")
    without["item_sets"]["written"]["from_questions"] = ["value"]
    made = []
    for day, document in enumerate((without, fed), start=1):
        written.republish(study, document, NOW)
        made.append(collect_written(study=study, now=NOW + timedelta(days=day)))
    assert made == [0, 1]


def test_what_somebody_wrote_who_withdrew_is_shown_to_nobody_at_once() -> None:
    study = written.study_that_is_fed(NOW)
    ada, bob = written.write(study, "Tea, of course.", NOW), written.write(study, "Coffee.", NOW)
    collect_written(study=study, now=NOW)
    open_missing_places(now=NOW)
    withdraw(participation=ada, reason="person", actor="", now=NOW)
    assert (to_mark(bob), Item.objects.get(author_id=ada.pk).held) == ([], "its author has withdrawn")


def test_what_was_read_before_its_author_withdrew_is_held_after_it() -> None:
    study = written.study_that_is_fed(NOW)
    ada = written.write(study, "Tea, of course.", NOW)
    collect_written(study=study, now=NOW)
    # as if the item had been written by the other process after the withdrawal
    Participation.objects.filter(pk=ada.pk).update(state=Participation.State.WITHDRAWN)
    collect_written(study=study, now=NOW)
    assert Item.objects.get(author_id=ada.pk).held == "its author has withdrawn"


def test_people_are_not_shown_what_bots_wrote() -> None:
    study = written.study_that_is_fed(NOW)
    written.write(study, "Beep.", NOW, rehearsal=True)
    collect_written(study=study, now=NOW)
    open_missing_places(now=NOW)
    person, bot = comparisons.person(study), comparisons.person(study, rehearsal=True)
    assert (to_mark(person), to_mark(bot)) == ([], ["Beep."])


def test_answers_of_a_questionnaire_count_when_it_is_done_and_only_those_that_are_named() -> None:
    study = written.study_that_is_fed(NOW, from_step="who", from_questions=["value"])
    person = comparisons.person(study)
    for text in ("Honesty.", "Honesty and patience."):
        ProfileEntry.objects.create(
            participation=person, version=person.version, step="who", question="value", value=text, answered_at=NOW
        )
    assert collect_written(study=study, now=NOW) == 0
    Participation.objects.filter(pk=person.pk).update(step=1, last_seen_at=NOW + timedelta(hours=1))
    assert collect_written(study=study, now=NOW + timedelta(hours=1)) == 1
    item = Item.objects.get(origin="written")
    assert item.context == {"messages": [{"role": "user", "content": "What matters to you?"}]}
    assert to_mark_after_opening(study) == ["Honesty and patience."]


def to_mark_after_opening(study: Study) -> list[str]:
    open_missing_places(now=NOW)
    return to_mark(comparisons.person(study))


@pytest.mark.parametrize(
    ("item_set", "said"),
    [
        ({"from_questions": []}, "name questions of judge that people answer in writing"),
        ({"from_questions": ["score"]}, "score is not answered in writing in judge"),
        ({"from_step": "", "from_questions": ["reply"]}, "reply is not answered in writing in from_step"),
    ],
)
def test_a_document_names_what_is_written(item_set: dict[str, Any], said: str) -> None:
    with pytest.raises(ValueError, match="item_sets") as error:
        StudyDocument.model_validate(written.document(**item_set))
    assert said in str(getattr(error.value, "problems", error.value))
