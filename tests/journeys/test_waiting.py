"""Waiting for room to talk, as a person does it: the page asks by itself, says where one stands, and lets one begin."""

import re

import pytest
from axe_playwright_python.sync_playwright import Axe
from django.utils import timezone
from playwright.sync_api import Page, expect

from annotation.conversations.models import Admission
from annotation.conversations.queries import step_of
from annotation.conversations.services.admission import ask_admission
from annotation.conversations.services.conversations import abandon_conversation
from annotation.participation.models import Participation
from annotation.studies.models import Study
from models_serving.catalog.models import ServedModel
from tests.conftest import LiveSite
from tests.factories import participations, studies, talks
from tests.journeys.talking import come_in


@pytest.fixture
def study(live_site: LiveSite) -> Study:
    """Models that carry one talk at a time."""
    talks.served()
    for model in ServedModel.objects.all():
        model.endpoints.create(most_at_once=1)
    return studies.study(talks.document(step={"admission": {"first_token": 2}}))


def flaws(page: Page) -> list[str]:
    """What axe finds."""
    return [flaw["id"] for flaw in Axe().run(page).response["violations"]]


def in_front(study: Study) -> Participation:
    person = participations.participation(study)
    ask_admission(participation=person, step=step_of(person.version, "chats"), kind="free", now=timezone.now())
    return person


def test_whoever_waits_sees_where_they_stand_and_begins_when_somebody_has_finished(
    live_site: LiveSite, study: Study, page: Page
) -> None:
    talk = talks.conversation(in_front(study))
    person = participations.participation(study)
    come_in(page.context, live_site.url, person)
    page.goto(f"{live_site.url}/p/{person.pk}/talk/chats/")
    page.get_by_text("What matters").click()
    page.get_by_role("button", name="Begin").click()
    expect(page.get_by_role("status").filter(has_text="You are next.")).to_be_visible()
    expect(page.get_by_role("button", name="Begin")).to_be_hidden()
    assert flaws(page) == []
    abandon_conversation(conversation_id=talk.pk, participation=talk.participation, now=timezone.now())
    expect(page.get_by_role("status").filter(has_text="There is room for you now.")).to_be_visible()
    expect(page).to_have_title("Your turn")
    assert flaws(page) == []
    page.get_by_role("button", name="Begin").click()
    expect(page.get_by_label("Your message")).to_be_visible()
    assert (person.conversations.get().type, Admission.objects.get(participation=person).state) == (
        "values",
        "admitted",
    )
    assert re.search("/talk/chats/$", page.url)
