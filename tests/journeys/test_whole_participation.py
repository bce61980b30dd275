"""The tour from the link to the code, on a large and on a small screen, as a person goes through it."""

import re
from collections.abc import Iterator
from typing import Any

import pytest
from django.utils import timezone
from playwright.sync_api import Browser, BrowserContext, Page, expect

from annotation.conversations.models import Turn
from annotation.judgements.models import Judgement
from annotation.participation.models import Participation
from annotation.studies.services import open_study, publish, save_source
from tests.journeys.looking import Looker
from tests.journeys.talking import complete, growing, rate, send, serve, when_all

SCREENS: dict[str, dict[str, Any]] = {
    "desktop": {"viewport": {"width": 1280, "height": 900}, "color_scheme": "light"},
    "phone": {"viewport": {"width": 375, "height": 740}, "color_scheme": "dark", "has_touch": True, "is_mobile": True},
}


@pytest.fixture(params=list(SCREENS))
def looker(request: pytest.FixtureRequest, site_url: str) -> Looker:
    screen = SCREENS[request.param]
    return Looker(site_url, request.param, screen["color_scheme"], screen.get("has_touch", False))


@pytest.fixture
def context(browser: Browser, site_url: str, looker: Looker) -> Iterator[BrowserContext]:
    context = browser.new_context(base_url=site_url, locale="en-GB", reduced_motion="reduce", **SCREENS[looker.name])
    context.grant_permissions(["clipboard-read", "clipboard-write"], origin=site_url)
    yield context
    context.close()


@pytest.fixture
def tour(site_url: str) -> None:
    now = timezone.now()
    study = save_source(slug="tour", tree={"extends": "tour"}, actor="test", now=now)
    serve(endless=True, pace=10)
    publish(study=study, actor="test", now=now)
    open_study(study=study, actor="test", now=now)


def test_the_tour_from_the_link_to_the_code(tour: None, context: BrowserContext, looker: Looker) -> None:
    page = looker.watch(context.new_page())
    into_the_talk(page, looker)
    stop_and_try_again(page, looker)
    answers = watch_it_being_written(page, context, looker)
    rate_by_keyboard(page, looker, answers)
    second_turn(page, looker)
    the_end(page, looker)
    assert "\n".join(looker.problems) == ""


def into_the_talk(page: Page, looker: Looker) -> None:
    page.goto("/s/tour/")
    looker.look(page, "welcome")
    assert Participation.objects.count() == 0
    page.get_by_role("button", name="Start").click()
    expect(page.get_by_label("Yes, I want to take the tour")).to_be_visible()
    page.get_by_role("button", name="Continue").click()
    expect(page.locator("#error-summary")).to_be_focused()
    looker.look(page, "consent with errors")
    page.get_by_label("Yes, I want to take the tour").check()
    page.get_by_label("I am 18 years of age or over").check()
    page.get_by_role("button", name="Continue").click()
    expect(page).to_have_url(re.compile(r"/questions/about/1/$"))
    page.get_by_label("Every week").check()
    page.get_by_label("Warm").check()
    looker.look(page, "survey")
    page.get_by_role("button", name="Continue").click()
    expect(page).to_have_url(re.compile(r"/talk/talk/$"))
    looker.look(page, "type")
    page.get_by_label("Something that matters to you").check()
    page.get_by_role("button", name="Begin").click()
    expect(page.get_by_role("heading", level=1)).to_have_text("Write the first message. Four models will answer it.")
    looker.look(page, "first message")


def stop_and_try_again(page: Page, looker: Looker) -> None:
    """Answers that never end: seen while they are written, stopped, and asked for again with others."""
    send(page, "What should I cook tonight?")
    assert sorted(growing(page)) == ["A", "B", "C", "D"]
    looker.look(page, "streaming")
    page.get_by_role("button", name="Stop and change my message").click()
    expect(page.get_by_role("heading", name="You stopped the answers")).to_be_visible()
    expect(page.get_by_label("Your message")).to_have_value("What should I cook tonight?")
    looker.look(page, "void turn")
    serve(pace=1.5)
    page.get_by_role("button", name="Try again").click()


def watch_it_being_written(page: Page, context: BrowserContext, looker: Looker) -> dict[str, str]:
    """Text grows in all four; a reload in the middle and a second tab go on from where it was; nothing is lost."""
    before = growing(page)
    page.reload()
    again = when_all(page, "the reloaded page has it all", lambda slot, text: text.startswith(before[slot]))
    other = looker.watch(context.new_page())
    other.goto(page.url)
    when_all(other, "the second tab has it all", lambda slot, text: text.startswith(again[slot]))
    answers = complete(page, 4)
    turn = Turn.objects.get(attempt=1)
    stored = {slot: one.text for slot, one in shown(turn).items()}
    assert (answers, complete(other, 4)) == (stored, stored)
    assert len(set(stored.values())) == 4
    other.close()
    return answers


def rate_by_keyboard(page: Page, looker: Looker, answers: dict[str, str]) -> None:
    looker.look(page, "judging")
    page.keyboard.press("1")
    expect(page.locator("#answer-A input[type=range]")).to_be_focused()
    page.keyboard.press("Control+Enter")
    expect(page.locator("#error-summary")).to_be_focused()
    expect(page.locator("#error-summary a")).to_have_count(4)
    looker.look(page, "judging with errors")
    page.keyboard.press("n")
    expect(page.get_by_label("What is wrong with them?")).to_be_visible()
    looker.look(page, "none is acceptable, with the reason open")
    page.locator("details.none summary").press("Enter")
    rate(page, a=1, b=-1, c=3, d=3)
    page.keyboard.press("Control+Enter")
    expect(page.get_by_text("These are tied: which one continues?")).to_be_visible()
    expect(page.locator("#chosen")).to_be_focused()
    looker.look(page, "tie asked")
    page.keyboard.press("Tab")
    page.keyboard.press("ArrowDown")
    expect(page.get_by_role("radio", name="Answer D")).to_be_checked()
    page.keyboard.press("Control+Enter")
    expect(page.locator(".exchange .answer-html")).to_have_text([answers["D"]])
    judgement = Judgement.objects.get()
    chosen = shown(Turn.objects.get(attempt=1))["D"]
    assert (judgement.chosen_id, judgement.choice_rule) == (chosen.pk, "tie_asked")
    expect(page.locator("[data-receipt]")).to_have_attribute("data-receipt", judgement.receipt)
    looker.look(page, "after the first turn")


def second_turn(page: Page, looker: Looker) -> None:
    page.get_by_label("Your message").fill("And for dessert?")
    page.keyboard.press("Control+Enter")
    complete(page, 2)
    page.keyboard.press("2")
    page.keyboard.press("ArrowRight")
    rate(page, a=-1)
    page.keyboard.press("Control+Enter")
    expect(page.get_by_text("This conversation has had all its turns.")).to_be_visible()
    looker.look(page, "all turns had")
    page.get_by_role("button", name="Finish this conversation").click()


def the_end(page: Page, looker: Looker) -> None:
    expect(page.locator("[data-completion-code]")).to_have_text("TOUR-DONE")
    assert Participation.objects.get().state == "completed"
    looker.look(page, "end")
    page.get_by_role("button", name="Copy the code").click()
    expect(page.get_by_role("button", name="Copied")).to_be_visible()
    assert page.evaluate("navigator.clipboard.readText()") == "TOUR-DONE"
    page.get_by_role("link", name="My data").first.click()
    for stored in ("What should I cook tonight?", "And for dessert?", "Every week"):
        expect(page.get_by_text(stored).first).to_be_visible()
    looker.look(page, "my data")


def shown(turn: Turn) -> dict[str, Any]:
    """Slot → candidate, as the person saw them."""
    candidates = {str(one.pk): one for one in turn.item.candidates.all()}
    return {slot: candidates[pk] for slot, pk in turn.assignment.presentation.slots().items()}
