"""What goes wrong around somebody who talks and rates: the network, the form's token, the back button, the mouse."""

import re
from collections.abc import Iterator
from urllib.parse import urlsplit

import pytest
from playwright.sync_api import BrowserContext, Page, Request, expect

from annotation.conversations.models import Turn
from annotation.items.models import Generation
from annotation.judgements.models import Judgement
from annotation.participation.models import Participation
from models_serving.catalog.models import ServedModel
from tests.conftest import LiveSite
from tests.factories import talks
from tests.journeys.cable import Cable
from tests.journeys.talking import come_in, complete, growing, send, texts
from tests.live import wait_until

LOST = "The connection was lost. It is tried again by itself; nothing is lost."


@pytest.fixture
def person(live_site: LiveSite) -> Participation:
    talks.served()
    return talks.talker(step={"count": 1, "after": []}, models={"sampling": {}})


@pytest.fixture
def cable(site_url: str) -> Iterator[Cable]:
    cable = Cable(site_url)
    yield cable
    cable.close()


@pytest.fixture
def talk(page: Page, context: BrowserContext, site_url: str, person: Participation) -> Page:
    """The page of a talk in which nothing was said yet."""
    talks.conversation(person)
    come_in(context, site_url, person)
    page.goto(f"/p/{person.pk}/talk/chats/")
    return page


@pytest.fixture
def rated(talk: Page) -> Page:
    """Three complete answers with ratings that were not sent yet."""
    send(talk, "Hello there")
    complete(talk, 3)
    for slot, value in {"A": 90, "B": 20, "C": 10}.items():
        talk.locator(f"#answer-{slot} input[type=range]").fill(str(value))
    return talk


def judge_posts(page: Page) -> list[Request]:
    seen: list[Request] = []
    page.on("request", lambda one: seen.append(one) if one.method == "POST" and "/judge/" in one.url else None)
    return seen


def key_of(request: Request) -> str:
    found = re.search(r"(?:^|&)key=(\w+)", request.post_data or "")
    assert found is not None
    return found[1]


def test_a_network_that_is_lost_in_mid_stream_and_comes_back_costs_no_word(
    page: Page, context: BrowserContext, cable: Cable, person: Participation
) -> None:
    words = " ".join(f"word{number}" for number in range(60))
    ServedModel.objects.update(options={"text": words, "pace": 8})
    talks.conversation(person)
    come_in(context, cable.url, person)
    page.goto(f"{cable.url}/p/{person.pk}/talk/chats/")
    asked: list[str] = []
    page.on("request", lambda one: asked.append(one.url) if "/events/" in one.url else None)
    send(page, "Tell me a lot")
    before = growing(page)
    # the answers came with the answer to the message; only what is missing is asked for
    assert asked == []
    cable.cut()
    expect(page.locator("#talk-status")).to_have_text(LOST)
    stopped = texts(page)
    assert all(text.startswith(before[slot]) and len(text) < len(words) for slot, text in stopped.items())
    # the models go on without anybody who listens
    wait_until("the answers are complete", Turn.objects.filter(state=Turn.State.READY).exists)
    assert texts(page) == stopped
    cable.mend()
    assert complete(page, 3) == dict.fromkeys("ABC", words)
    assert [int(urlsplit(url).query.removeprefix("after=")) > 0 for url in asked] == [True] * len(asked)
    assert [(row.attempt, row.state) for row in Generation.objects.all()] == [(1, "done")] * 3


def test_a_message_whose_answer_never_arrives_is_there_with_its_answers(
    page: Page, context: BrowserContext, site_url: str, person: Participation
) -> None:
    talks.conversation(person)
    come_in(context, site_url, person)
    # the message is stored, and the connection ends before the page is there
    page.route(
        "**/message/", lambda route: (route.fetch(), route.fulfill(content_type="text/event-stream", body=": \n\n"))
    )
    page.goto(f"/p/{person.pk}/talk/chats/")
    send(page, "Hello there")
    complete(page, 3)
    assert [turn.user_text for turn in Turn.objects.all()] == ["Hello there"]


def test_ratings_whose_form_token_has_expired_stay_and_are_sent_again_under_the_same_key(
    rated: Page, context: BrowserContext
) -> None:
    posts = judge_posts(rated)
    context.clear_cookies(name="csrftoken")
    rated.get_by_role("button", name="Save and continue").click()
    expect(rated.locator("[data-receipt]")).to_have_count(1)
    assert (len(posts), len({key_of(one) for one in posts})) == (2, 1)
    judgement = Judgement.objects.get()
    slots = Turn.objects.get().assignment.presentation.slots()
    given = {slot: judgement.answers["score"][pk]["value"] for slot, pk in slots.items()}
    assert (given, judgement.key) == ({"A": 90, "B": 20, "C": 10}, key_of(posts[0]))


def test_ratings_sent_without_a_network_are_sent_once_when_it_is_back(rated: Page, context: BrowserContext) -> None:
    context.set_offline(True)
    rated.get_by_role("button", name="Save and continue").click()
    expect(rated.get_by_text("No connection.")).to_be_visible()
    expect(rated.locator("#answer-A input[type=range]")).to_have_value("90")
    assert Judgement.objects.count() == 0
    context.set_offline(False)
    expect(rated.locator("[data-receipt]")).to_have_count(1)
    assert Judgement.objects.count() == 1


def test_a_double_click_is_one_judgement(rated: Page) -> None:
    posts = judge_posts(rated)
    rated.get_by_role("button", name="Save and continue").dblclick()
    expect(rated.locator("[data-receipt]")).to_have_count(1)
    assert (len(posts), Judgement.objects.count()) == (1, 1)


def test_a_second_tab_that_rates_the_same_answers_again_is_told_and_changes_nothing(
    rated: Page, context: BrowserContext
) -> None:
    other = context.new_page()
    other.goto(rated.url)
    complete(other, 3)
    rated.get_by_role("button", name="Save and continue").click()
    expect(rated.locator("[data-receipt]")).to_have_count(1)
    other.locator("#answer-A input[type=range]").fill("1")
    for slot, value in {"B": 99, "C": 5}.items():
        other.locator(f"#answer-{slot} input[type=range]").fill(str(value))
    other.get_by_role("button", name="Save and continue").click()
    expect(other.get_by_role("heading", name="This cannot be done any more")).to_be_visible()
    other.get_by_role("link", name="Go on").click()
    expect(other.locator("[data-receipt]")).to_have_attribute("data-receipt", Judgement.objects.get().receipt)


def test_leaving_and_the_back_button_bring_the_ratings_back(rated: Page) -> None:
    expect(rated.locator("#judge-form [data-pv-status]")).to_contain_text("Saved")
    rated.get_by_role("link", name="My data").click()
    expect(rated.get_by_role("heading", level=1)).to_have_text("My data")
    rated.go_back()
    for slot, value in {"A": "90", "B": "20", "C": "10"}.items():
        expect(rated.locator(f"#answer-{slot} input[type=range]")).to_have_value(value)
    rated.get_by_role("button", name="Save and continue").click()
    expect(rated.locator("[data-receipt]")).to_have_count(1)


def test_an_old_address_and_the_back_button_lead_to_the_end_once_there_is_one(rated: Page) -> None:
    old = rated.url
    rated.get_by_role("button", name="Save and continue").click()
    send(rated, "And more?")
    complete(rated, 2)
    for slot, value in {"A": "1", "B": "99"}.items():
        rated.locator(f"#answer-{slot} input[type=range]").fill(value)
    rated.get_by_role("button", name="Save and continue").click()
    rated.get_by_role("button", name="Finish this conversation").click()
    expect(rated.get_by_role("heading", level=1)).to_have_text("Thank you!")
    rated.goto(old)
    expect(rated).to_have_url(re.compile(r"/end/$"))
    rated.get_by_role("link", name="My data").click()
    expect(rated.get_by_role("heading", level=1)).to_have_text("My data")
    rated.go_back()
    expect(rated.get_by_role("heading", level=1)).to_have_text("Thank you!")
    assert (Judgement.objects.count(), Participation.objects.get().state) == (2, "completed")
