"""A talk in a real browser: streamed, reloaded in mid-stream, rated by keyboard, tied, stopped; hostile answers."""

import re
from pathlib import Path
from typing import Any

import pytest
from axe_playwright_python.sync_playwright import Axe
from django.contrib.sessions.backends.db import SessionStore
from playwright.sync_api import Page, Route, expect

from annotation.conversations.models import Turn
from annotation.items.models import Generation
from annotation.judgements.models import Judgement
from annotation.participation.models import Participation
from models_serving.catalog.models import ServedModel
from tests.conftest import LiveSite
from tests.factories import talks

PAYLOADS = Path(__file__).parents[1] / "annotation" / "common" / "xss_payloads.txt"


@pytest.fixture
def person(live_site: LiveSite) -> Participation:
    talks.served()
    return talks.talker(step={"count": 1, "after": []}, models={"sampling": {}})


@pytest.fixture
def open_talk(page: Page, person: Participation, site_url: str) -> Page:
    """The page of a talk whose type was chosen."""
    session = SessionStore()
    session["participations"] = {str(person.pk): "full"}
    session.save()
    page.context.add_cookies([{"name": "plurivox", "value": str(session.session_key), "url": site_url}])
    page.goto(f"/p/{person.pk}/talk/chats/")
    page.get_by_text("Anything at all").click()
    page.get_by_role("button", name="Begin").click()
    expect(page.get_by_label("Your message")).to_be_visible()
    return page


def say(page: Page, text: str) -> None:
    page.get_by_label("Your message").fill(text)
    page.get_by_role("button", name="Send").click()


def rate(page: Page, *values: int) -> None:
    for slot, value in zip("ABC", values, strict=False):
        page.locator(f"#answer-{slot} input[type=range]").fill(str(value))


def flaws(page: Page) -> list[str]:
    """What axe finds."""
    found: list[dict[str, Any]] = Axe().run(page).response["violations"]
    return [f"{flaw['id']}: {flaw['nodes'][0]['html'][:120]}" for flaw in found]


def test_a_talk_from_its_first_message_to_the_end(open_talk: Page, person: Participation) -> None:
    page = open_talk
    say(page, "Hello there")
    expect(page.locator("#judge-form")).to_be_visible()
    assert flaws(page) == []
    rate(page, 90, 20, 10)
    page.keyboard.press("Control+Enter")
    expect(page.locator("[data-receipt]")).to_have_count(1)
    say(page, "And more?")
    expect(page.locator("#judge-form .answer")).to_have_count(2)
    rate(page, 20, 90)
    page.get_by_role("button", name="Save and continue").click()
    page.get_by_role("button", name="Finish this conversation").click()
    page.wait_for_url(re.compile("/end/"))
    person.refresh_from_db()
    assert (person.state, Judgement.objects.count()) == ("completed", 2)


def test_text_streams_and_a_reload_in_mid_stream_goes_on_where_it_is(open_talk: Page) -> None:
    page = open_talk
    ServedModel.objects.update(options={"text": "word " * 60, "pace": 25})
    say(page, "Tell me a lot")
    text = page.locator("#answer-A .answer-text")
    expect(text).to_contain_text("word word word")
    assert page.locator("#answer-A").get_attribute("aria-busy") == "true"
    before = text.inner_text()
    page.reload()
    expect(text).to_contain_text(before.strip())
    expect(page.locator("#judge-form .answer")).to_have_count(3)
    expect(page.locator("#talk-status")).to_have_text("All answers are complete. You can rate them now.")
    assert [row.attempt for row in Generation.objects.all()] == [1, 1, 1]


def test_keys_go_to_answers_and_can_be_switched_off(open_talk: Page) -> None:
    page = open_talk
    say(page, "Hello there")
    expect(page.locator("#judge-form")).to_be_visible()
    page.keyboard.press("b")
    expect(page.locator("#answer-B input[type=range]")).to_be_focused()
    page.keyboard.press("3")
    expect(page.locator("#answer-C input[type=range]")).to_be_focused()
    page.keyboard.press("?")
    page.get_by_label("Use the keys of one letter or digit").uncheck()
    page.get_by_role("button", name="Close").click()
    page.keyboard.press("a")
    expect(page.locator("#answer-A input[type=range]")).not_to_be_focused()


def test_a_tie_is_asked_about_where_the_answers_end(open_talk: Page) -> None:
    page = open_talk
    say(page, "Hello there")
    expect(page.locator("#judge-form")).to_be_visible()
    rate(page, 80, 80, 10)
    page.get_by_role("button", name="Save and continue").click()
    tie = page.get_by_role("group", name="These are tied: which one continues?")
    expect(tie).to_be_focused()
    assert flaws(page) == []
    tie.get_by_label("Answer B").check()
    page.get_by_role("button", name="Save and continue").click()
    expect(page.locator("[data-receipt]")).to_have_count(1)
    assert Judgement.objects.get().choice_rule == "tie_asked"


def test_stopping_keeps_the_message_and_trying_again_asks_anew(open_talk: Page) -> None:
    page = open_talk
    ServedModel.objects.update(options={"text": "word " * 400, "pace": 20})
    say(page, "A long one, please")
    page.get_by_role("button", name="Stop and change my message").click()
    expect(page.get_by_role("heading", name="You stopped the answers")).to_be_focused()
    expect(page.get_by_label("Your message")).to_have_value("A long one, please")
    ServedModel.objects.update(options={"text": "Short now."})
    page.get_by_role("button", name="Try again").click()
    expect(page.locator("#judge-form .answer")).to_have_count(3)
    assert [turn.state for turn in Turn.objects.order_by("attempt")] == ["void", "ready"]


def test_a_typed_message_survives_a_reload(open_talk: Page) -> None:
    page = open_talk
    page.get_by_label("Your message").fill("Half a thought")
    expect(page.locator("[data-form=message] [data-pv-status]")).to_contain_text("Saved")
    page.reload()
    expect(page.get_by_label("Your message")).to_have_value("Half a thought")


def test_what_is_typed_before_the_script_is_there_is_saved_too(open_talk: Page) -> None:
    page = open_talk
    late: list[Route] = []
    page.route("**/js/form.*js", lambda route: route.continue_() if late else late.append(route))
    page.reload(wait_until="commit")
    page.get_by_label("Your message").fill("Quick fingers")
    assert len(late) == 1
    late[0].continue_()
    expect(page.locator("[data-form=message] [data-pv-status]")).to_contain_text("Saved")
    page.unroute_all()
    page.reload()
    expect(page.get_by_label("Your message")).to_have_value("Quick fingers")


def test_who_sends_before_all_scripts_are_there_sees_the_answers(open_talk: Page) -> None:
    page = open_talk
    held: list[Route] = []
    page.route("**/js/chat.*js", lambda route: route.continue_() if held else held.append(route))
    page.reload(wait_until="commit")
    say(page, "Quick fingers")
    expect(page.locator("#judge-form .answer")).to_have_count(3)
    assert (len(held), page.url.endswith("/talk/chats/")) == (1, True)


def test_on_a_small_screen_nothing_is_wider_than_the_screen(open_talk: Page, phone: dict[str, int]) -> None:
    page = open_talk
    page.set_viewport_size(phone)  # type: ignore[arg-type]  # a width and a height
    wide = "| a | b |\n| - | - |\n| " + "long" * 40 + " | x |\n\n```\n" + "code " * 60 + "\n```\n\n" + "w" * 300
    ServedModel.objects.update(options={"text": wide})
    say(page, "Something wide")
    expect(page.locator("#judge-form .answer")).to_have_count(3)
    assert page.evaluate("document.documentElement.scrollWidth") == phone["width"]
    assert flaws(page) == []


def test_hostile_answers_run_nothing_while_they_stream_or_afterwards(open_talk: Page) -> None:
    page = open_talk
    dialogs: list[str] = []
    requests: list[str] = []
    page.on("dialog", lambda dialog: (dialogs.append(dialog.message), dialog.dismiss()))
    page.on("request", lambda request: requests.append(request.url))
    hostile = "\n\n".join(line.replace("\\n", "\n") for line in PAYLOADS.read_text(encoding="utf-8").splitlines())
    ServedModel.objects.update(options={"text": hostile.replace("\\u0000", "")})
    say(page, "Do your worst")
    expect(page.locator("#judge-form .answer")).to_have_count(3, timeout=20_000)
    assert (
        page.locator(".answer-html :is(img, script, iframe, object, embed, form, input, svg, style, link)").count() == 0
    )
    assert [url for url in requests if not url.startswith(page.url.split("/p/")[0])] == []
    assert dialogs == []
