"""Staff see how far the places of a step are, and open waves, ask again and release from there."""

import re
from datetime import timedelta
from typing import Any

import pytest
from django.contrib.auth.models import Permission
from django.test import Client
from django.utils import timezone

from annotation.accounts.models import User
from annotation.assignments import tasks
from annotation.assignments.models import Assignment, StepPlaces
from annotation.assignments.services import open_missing_places
from annotation.studies.models import Study
from tests.annotation.assignments.test_regrading import republish
from tests.factories import comparisons

pytestmark = pytest.mark.django_db
LIST = "/admin/assignments/stepplaces/"


@pytest.fixture
def study() -> Study:
    made = comparisons.comparing(
        2, places=False, step={"overlap": {"crowd": 2, "expert": 1}, "waves": 2, "protocol": "alike"}
    )
    open_missing_places(now=timezone.now())
    made.owner = User.objects.create_user("staff", password="long-enough-1", is_staff=True)
    made.save(update_fields=["owner"])
    return made


def staff(*permissions: str) -> Client:
    """The study's owner, who may look at places, and what else is named."""
    user = User.objects.get(username="staff")
    names = ["view_assignment", "view_stepplaces", *permissions]
    user.user_permissions.set(Permission.objects.filter(codename__in=names))
    client = Client()
    client.force_login(user)
    return client


def run(client: Client, what: str) -> str:
    chosen: dict[str, Any] = {"action": what, "_selected_action": [StepPlaces.objects.get().pk]}
    return client.post(LIST, chosen, follow=True).content.decode()


def test_the_list_counts_places_by_state_and_the_page_by_stratum(study: Study) -> None:
    comparisons.judge_all(comparisons.person(study, pool="expert"), most=1)
    client = staff()
    assert "open 5, done 1" in client.get(LIST).content.decode()
    page = client.get(f"{LIST}{StepPlaces.objects.get().pk}/change/").content.decode()
    assert "<tr><th>expert</th><td>1</td><td>0</td><td>1</td><td>0</td><td>0</td><td>0</td></tr>" in page
    html = client.get(f"/admin/assignments/assignment/?study__id__exact={study.pk}&state__exact=done").content.decode()
    done = Assignment.objects.get(state="done")
    others = Assignment.objects.exclude(pk=done.pk)
    assert (str(done.pk) in html, [str(place.pk) in html for place in others]) == (True, [False] * 5)


def test_items_that_the_protocol_cannot_judge_are_counted(study: Study) -> None:
    comparisons.add_items(study, 3, first=2, candidates=3)
    page = staff().get(f"{LIST}{StepPlaces.objects.get().pk}/change/").content.decode()
    assert re.findall(r"too many candidates for the protocol(?:\s|<[^>]*>)*(\d+)", page) == ["3"]


def test_the_next_wave_opens_once_for_each_that_the_document_has(study: Study) -> None:
    client = staff("change_study")
    assert "wave 2 of 2 is open" in run(client, "open_next_wave")
    tasks.open_places_of_study(study.pk)
    assert Assignment.objects.count() == 12
    assert "all of them are open" in run(client, "open_next_wave")


def test_leases_that_ran_out_can_be_opened_at_once(study: Study) -> None:
    comparisons.leased(comparisons.person(study), timezone.now() - timedelta(hours=2))
    assert "places that are open again: 1." in run(staff("change_study"), "release_overdue")
    assert Assignment.objects.filter(state="open").count() == 6


def test_asking_again_is_a_job_and_needs_a_changed_question(study: Study) -> None:
    comparisons.judge_all(comparisons.person(study))
    client = staff("change_study")
    assert "nothing is asked again" in run(client, "ask_again")
    step = comparisons.step_of(study).model_dump(mode="json", include={"overlap", "waves", "protocol"})
    republish(study, "agree", step=step)
    assert "people are being asked again about what they judged under alike" in run(client, "ask_again")
    assert tasks.ask_again(study.pk, "judge", "staff") == 2


@pytest.mark.parametrize("what", ["open_next_wave", "ask_again", "release_overdue"])
def test_who_may_only_look_can_do_nothing(study: Study, what: str) -> None:
    before = StepPlaces.objects.values_list("waves", flat=True).get()
    html = run(staff(), what)
    assert (f'value="{what}"' in html, StepPlaces.objects.values_list("waves", flat=True).get()) == (False, before)
