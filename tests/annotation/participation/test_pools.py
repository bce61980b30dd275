"""Pools: signed links lead into them, nothing else does."""

import re
import uuid
from collections.abc import Callable
from urllib.parse import urlencode

import pytest
from django.contrib.auth import get_user_model
from django.test import Client

from annotation.participation.models import Participation
from annotation.participation.services import Arrival, start_participation
from annotation.studies.models import Study
from annotation.studies.pools import pool_token
from tests.factories.participations import browser
from tests.factories.studies import small, study

pytestmark = pytest.mark.django_db


@pytest.fixture
def pooled() -> Study:
    return study(small(pools=["crowd", "expert"]))


def come_in(token: str | None) -> Participation:
    """Open the link and press Start, with what the page's form carries on."""
    client = Client()
    html = client.get("/s/small/", {} if token is None else {"pool": token}).content.decode()
    carried = re.findall(r'name="pool" value="([^"]*)"', html)
    fields = {"key": uuid.uuid4().hex, "language": "en", **({"pool": carried[0]} if carried else {})}
    response = client.post("/s/small/start/", fields)
    return Participation.objects.get(pk=response.headers["Location"].split("/")[2])


def test_a_signed_link_leads_into_its_pool_and_the_plain_one_into_the_first(pooled: Study) -> None:
    tokens = [pool_token("small", "expert"), pool_token("small", "crowd"), None]
    assert [come_in(token).pool for token in tokens] == ["expert", "crowd", "crowd"]


# Made inside the test: what is signed with this process's key must not become part of a test's name.
FORGED: dict[str, Callable[[], str]] = {
    "a pool's plain name": lambda: "expert",
    "a signature cut short": lambda: pool_token("small", "expert")[:-1],
    "another payload": lambda: "x" + pool_token("small", "expert"),
    "another study's": lambda: pool_token("other", "expert"),
    "a pool that no link leads to": lambda: pool_token("small", "ai"),
    "no payload": lambda: "a:b",
    "empty": lambda: "",
    "a null character": lambda: "\x00",
}


@pytest.mark.parametrize("forged", FORGED)
def test_what_is_not_signed_for_this_study_and_pool_is_ignored(pooled: Study, forged: str) -> None:
    token = FORGED[forged]()
    assert come_in(token).pool == "crowd"
    posted = browser().post("/s/small/start/", {"key": uuid.uuid4().hex, "language": "en", "pool": token})
    person = Participation.objects.get(pk=posted.headers["Location"].split("/")[2])
    assert person.pool == "crowd"


def test_a_study_without_pools_knows_none() -> None:
    study(small())
    assert come_in(pool_token("small", "expert")).pool == ""


def test_bots_are_dealt_out_over_the_pools(pooled: Study) -> None:
    made = [
        start_participation(
            study=pooled,
            arrival=Arrival(key=f"bot-{number}", language="en", rehearsal_seed="1"),
            now=pooled.created_at,
        )
        for number in range(4)
    ]
    assert [bot.pool for bot in made] == ["crowd", "expert", "crowd", "expert"]


def test_staff_find_the_links_in_the_admin(pooled: Study) -> None:
    client = Client()
    client.force_login(get_user_model().objects.create_superuser("staff", password="long-enough-1"))
    html = client.get(f"/admin/studies/study/{pooled.pk}/change/").content.decode()
    for pool in ("crowd", "expert"):
        assert f"/s/small/?{urlencode({'pool': pool_token('small', pool)})}" in html
