"""What happens between a person and a form: nothing typed is lost, nothing is sent twice, everybody can use it."""

import gzip
import re
from typing import Any

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import BrowserContext, Page, Request, expect

from annotation.participation.models import Draft, PageVisit, Participation, ProfileEntry
from tests.factories.studies import study
from tests.live import wait_until


@pytest.fixture
def site_url(transactional_db: None, _web: str) -> str:
    """Web alone: no worker has anything to do here."""
    study()
    return _web


def to_the_survey(page: Page) -> None:
    page.goto("/s/small/")
    page.get_by_role("button", name="Start").click()
    page.get_by_label("I agree to take part").check()
    page.get_by_label("I am 18 or over").check()
    page.get_by_role("button", name="Continue").click()
    expect(page).to_have_url(re.compile(r"/questions/survey/1/$"))


def stored(question: str) -> list[Any]:
    return list(ProfileEntry.objects.filter(question=question).order_by("pk").values_list("value", flat=True))


def posts_to(page: Page, part: str) -> list[Request]:
    seen: list[Request] = []
    page.on("request", lambda one: seen.append(one) if one.method == "POST" and part in one.url else None)
    return seen


def test_a_lost_network_keeps_what_was_typed_and_sends_it_when_it_is_back(page: Page, context: BrowserContext) -> None:
    to_the_survey(page)
    page.get_by_label("What matters to you?").fill("Peace")
    context.set_offline(True)
    page.get_by_role("button", name="Continue").click()
    expect(page.get_by_text("No connection.")).to_be_visible()
    expect(page.get_by_label("What matters to you?")).to_have_value("Peace")
    assert stored("about") == []
    context.set_offline(False)
    expect(page).to_have_url(re.compile(r"/questions/survey/2/$"))
    assert stored("about") == ["Peace"]


def test_a_stale_form_token_is_renewed_and_the_same_key_is_sent_again(page: Page, context: BrowserContext) -> None:
    to_the_survey(page)
    page.get_by_label("What matters to you?").fill("Peace")
    context.clear_cookies(name="csrftoken")
    sent = posts_to(page, "/questions/")
    page.get_by_role("button", name="Continue").click()
    expect(page).to_have_url(re.compile(r"/questions/survey/2/$"))
    keys = [re.search(r"(?:^|&)key=(\w+)", one.post_data or "") for one in sent]
    assert len({found.group(1) for found in keys if found}) == 1
    assert (len(sent), stored("about")) == (2, ["Peace"])


def test_a_double_click_is_one_page(page: Page) -> None:
    to_the_survey(page)
    page.get_by_label("What matters to you?").fill("Peace")
    sent = posts_to(page, "/questions/")
    page.get_by_role("button", name="Continue").dblclick()
    expect(page).to_have_url(re.compile(r"/questions/survey/2/$"))
    assert (len(sent), PageVisit.objects.filter(step="survey").count()) == (1, 1)


def test_what_is_typed_says_that_it_is_saved_and_is_there_after_a_reload(page: Page) -> None:
    to_the_survey(page)
    page.get_by_label("What matters to you?").fill("Half a sen")
    expect(page.get_by_text(re.compile(r"^Saved \d\d:\d\d"))).to_be_visible()
    page.reload()
    expect(page.get_by_label("What matters to you?")).to_have_value("Half a sen")


def test_what_is_typed_is_saved_by_leaving_at_once(page: Page) -> None:
    to_the_survey(page)
    page.get_by_label("What matters to you?").fill("Typed and gone")
    page.goto("/s/small/")
    # a beacon outlives its page, so the page cannot tell of it
    wait_until("the draft is saved", Draft.objects.exists)
    page.get_by_role("link", name="Continue").click()
    expect(page.get_by_label("What matters to you?")).to_have_value("Typed and gone")


def test_a_mistake_takes_the_focus_and_the_page_goes_on_from_there(page: Page) -> None:
    to_the_survey(page)
    page.get_by_label("And what else?").fill("Kept")
    page.keyboard.press("Control+Enter")
    summary = page.locator("#error-summary")
    expect(summary).to_be_focused()
    expect(page).to_have_title(re.compile("^Error: "))
    summary.get_by_role("link").click()
    expect(page.get_by_label("What matters to you?")).to_be_focused()
    page.keyboard.type("Peace")
    page.keyboard.press("Control+Enter")
    expect(page).to_have_url(re.compile(r"/questions/survey/2/$"))
    visit = PageVisit.objects.get(step="survey")
    assert (stored("about"), stored("more"), visit.details["keys"] >= len("Peace")) == (["Peace"], ["Kept"], True)


def test_back_in_the_browser_shows_what_was_sent(page: Page) -> None:
    to_the_survey(page)
    page.get_by_label("What matters to you?").fill("Peace")
    page.get_by_role("button", name="Continue").click()
    expect(page).to_have_url(re.compile(r"/questions/survey/2/$"))
    page.go_back()
    expect(page.get_by_label("What matters to you?")).to_have_value("Peace")


def test_a_study_can_be_done_without_scripts(browser: Any, site_url: str) -> None:
    context = browser.new_context(base_url=site_url, java_script_enabled=False)
    page = context.new_page()
    to_the_survey(page)
    page.get_by_label("What matters to you?").fill("Peace")
    page.get_by_role("button", name="Continue").click()
    page.get_by_label("Not applicable").check()
    page.get_by_role("button", name="Continue").click()
    expect(page.get_by_role("heading", level=1)).to_have_text("Thank you!")
    assert Participation.objects.get().state == "completed"
    context.close()


@pytest.mark.parametrize(("scheme", "width"), [("light", 1280), ("dark", 320)])
def test_every_page_is_usable_by_everybody_and_fits_its_screen(page: Page, scheme: Any, width: int) -> None:
    page.emulate_media(color_scheme=scheme)
    page.set_viewport_size({"width": width, "height": 740})
    problems: list[str] = []
    loud: list[str] = []
    page.on("console", lambda one: loud.append(one.text) if one.type == "error" and "422" not in one.text else None)

    def look(name: str) -> None:
        violations = Axe().run(page).response["violations"]
        problems.extend(f"{name}: {one['id']} {[node['target'] for node in one['nodes']]}" for one in violations)
        wide = page.evaluate("document.documentElement.scrollWidth - document.documentElement.clientWidth")
        problems.extend([f"{name}: {wide} px too wide"] if wide > 0 else [])

    page.goto("/s/small/")
    look("welcome")
    page.goto("/s/small/?lang=ar")
    look("welcome, right to left")
    page.goto("/s/small/")
    page.get_by_role("button", name="Start").click()
    look("consent")
    page.get_by_role("button", name="Continue").click()
    expect(page.locator("#error-summary")).to_be_focused()
    look("consent with errors")
    page.get_by_label("I agree to take part").check()
    page.get_by_label("I am 18 or over").check()
    page.get_by_role("button", name="Continue").click()
    page.get_by_role("button", name="Continue").click()
    expect(page.locator("#error-summary")).to_be_focused()
    look("page with errors")
    page.get_by_label("What matters to you?").fill("Peace")
    page.get_by_role("button", name="Continue").click()
    expect(page).to_have_url(re.compile(r"/questions/survey/2/$"))
    look("page with a slider")
    place = page.url.split("/questions/")[0]
    for name in ("leave", "decline", "my-data", "withdraw"):
        page.goto(f"{place}/{name}/")
        look(name)
    page.goto(f"{place}/")
    page.get_by_label("Not applicable").check()
    page.get_by_role("button", name="Continue").click()
    expect(page.get_by_role("heading", level=1)).to_have_text("Thank you!")
    look("end")
    page.goto("/s/unknown/")
    look("not found")
    assert (problems, [text for text in loud if "404" not in text]) == ([], [])


def test_a_cold_page_of_questions_moves_at_most_100_kilobytes(page: Page) -> None:
    to_the_survey(page)
    loaded: list[str] = []
    page.on("request", lambda one: loaded.append(one.url))
    page.reload(wait_until="networkidle")
    bodies = {url: page.request.get(url).body() for url in set(loaded)}
    sizes = {url: min(len(body), len(gzip.compress(body))) for url, body in bodies.items()}
    foreign = [url for url in sizes if not url.startswith(page.url.split("/p/")[0])]
    assert (foreign, sum(sizes.values()) <= 100_000) == ([], True), sizes
