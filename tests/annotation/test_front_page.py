"""The admin's first page tells a researcher how the studies are and what waits."""

from datetime import timedelta
from typing import Any

import pytest
from bs4 import BeautifulSoup
from django.contrib.auth.models import Permission
from django.test import Client
from django.utils import timezone

from annotation.accounts.models import User
from annotation.exports.models import ExportRun
from annotation.participation.models import Participation
from annotation.quality.models import Flag
from annotation.studies.models import Study
from models_serving.catalog.models import ServedModel
from tests.factories import cards, studies
from tests.factories.participations import participation
from tests.factories.staff import admin_browser, stranger_browser

pytestmark = pytest.mark.django_db
QUERIES = 8


def page(client: Client) -> BeautifulSoup:
    return BeautifulSoup(client.get("/admin/").content, "html.parser")


def words(element: Any) -> str:
    return " ".join(element.get_text(" ", strip=True).split())


def lines(shown: BeautifulSoup, section: str, row: str) -> list[str]:
    return [words(one).replace(" :", ":") for one in shown.select(f"section:has(#front-{section}) {row}")]


def researcher(*rights: str) -> Client:
    """Staff who may see so much, with no study of their own."""
    user = User.objects.create_user("bob", "bob@example.org", "a good password", is_staff=True)
    user.user_permissions.set(Permission.objects.filter(codename__in=rights))
    client = Client()
    client.force_login(user)
    return client


def flagged(person: Participation, **changes: Any) -> Flag:
    facts = {"check_name": "speed", "check_version": "1", "raised_at": timezone.now()}
    return Flag.objects.create(participation=person, **facts | changes)


@pytest.fixture
def pairs() -> Study:
    """Two items, three places taken of none; people of every sort."""
    person, now = cards.judge(step={"overlap": 2}), timezone.now()
    made = person.study
    Study.objects.filter(pk=made.pk).update(state="open")
    before = now - timedelta(days=2)
    participation(made, state="completed", ended_at=now)
    participation(made, state="completed", ended_at=before, last_seen_at=before)
    participation(made, state="completed", ended_at=now, rehearsal=True)
    cards.held(person)
    return made


def test_each_study_has_its_state_its_people_of_today_and_its_places_and_open_ones_come_first(pairs: Study) -> None:
    studies.study(state="draft")
    shown = page(admin_browser())
    assert lines(shown, "studies", "thead th") == [
        "Study", "State", "Here today", "Completed today", "Completed", "Places left",
    ]  # fmt: skip
    rows = [[words(cell) for cell in row.select("th, td")] for row in shown.select("#front-studies ~ table tbody tr")]
    assert rows == [
        ["pairs pairs", "Open", "2", "1", "2", "3"],
        ["small small", "Draft", "0", "0", "0", "—"],
    ]


def test_undecided_flags_and_silent_models_wait_for_somebody(pairs: Study) -> None:
    person, bot = pairs.participations.get(ordinal=0), pairs.participations.get(rehearsal=True)
    flagged(person)
    flagged(person, check_name="straight")
    flagged(person, check_name="paste", decision="dismissed", reason="They quoted.")
    flagged(bot)
    ServedModel.objects.create(name="away", backend="scripted", health="unhealthy", health_detail="refused")
    ServedModel.objects.create(name="off", backend="scripted", health="unhealthy", enabled=False)
    ServedModel.objects.create(name="well", backend="scripted", health="healthy")
    browser = admin_browser()
    shown = page(browser)
    day = timezone.localtime(Flag.objects.latest("raised_at").raised_at)
    assert lines(shown, "waiting", "li") == [
        f"2 quality flags of pairs to decide, the last of {day:%Y-%m-%d %H:%M}",
        "away does not answer: refused",
    ]
    listed = browser.get(shown.select_one("section:has(#front-waiting) li a")["href"]).context["cl"].queryset
    assert {flag.check_name for flag in listed} == {"speed", "straight"}


def test_the_last_releases_are_told_with_what_went_wrong(pairs: Study) -> None:
    now = timezone.now()
    for number in range(7):
        failed = {"state": "failed", "error": "The disk is full."} if number == 6 else {"state": "done"}
        ExportRun.objects.create(
            study=pairs, layout=f"layout_{number}", cut_off=now, created_at=now + timedelta(minutes=number), **failed
        )
    told = lines(page(admin_browser()), "releases", "li")
    assert [line.split()[0] for line in told] == ["layout_6", "layout_5", "layout_4", "layout_3", "layout_2"]
    assert told[0].endswith("The disk is full.")


def test_an_empty_site_says_where_to_begin_and_that_nothing_waits() -> None:
    shown = page(admin_browser())
    assert [lines(shown, name, "p") for name in ("studies", "waiting", "releases")] == [
        ["There is no study yet. Add one"],
        ["Nothing: no quality flag is undecided, no model is known to be silent."],
        ["Nothing has been released yet."],
    ]


def test_nobody_sees_more_than_the_lists_show_them(pairs: Study) -> None:
    flagged(pairs.participations.get(ordinal=0))
    own = page(researcher("view_study", "view_flag"))
    assert [one["id"] for one in own.select(".front > section h2")] == ["front-studies", "front-waiting"]
    assert lines(own, "waiting", "p") == ["Nothing: no quality flag is undecided."]
    assert page(stranger_browser()).select(".front > section") == []


def test_the_page_takes_the_same_number_of_queries_with_many_studies(
    pairs: Study, django_assert_num_queries: Any
) -> None:
    browser = admin_browser()
    browser.get("/admin/")
    with django_assert_num_queries(QUERIES):
        browser.get("/admin/")
    for number in range(9):
        Study.objects.create(slug=f"more-{number}", title="More", state="open")
    with django_assert_num_queries(QUERIES):
        browser.get("/admin/")
