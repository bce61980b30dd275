"""The questions of comparisons in a real browser: ranking by keyboard, by pointer, without script."""

import functools
import threading
from collections.abc import Iterator
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Browser, Locator, Page, expect

from tests.journeys.comparison_pages import write_pages
from tests.journeys.test_questions import posted


class _Quiet(SimpleHTTPRequestHandler):
    def log_message(self, *_: object) -> None:
        """Nothing: a test's output is its result."""


@pytest.fixture(scope="module")
def _pages(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    folder: Path = tmp_path_factory.mktemp("pages")
    write_pages(folder)
    server = ThreadingHTTPServer(("127.0.0.1", 0), functools.partial(_Quiet, directory=str(folder)))
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()
    server.server_close()


@pytest.fixture
def site_url(_pages: str) -> str:
    return _pages


@pytest.fixture
def form(page: Page) -> Page:
    page.goto("/all.html")
    expect(page.locator("pv-ranking")).to_have_class("ranking is-scripted")
    return page


@pytest.fixture
def ranking(form: Page) -> Locator:
    return form.locator("#question-order")


def focused(page: Page) -> str | None:
    return page.evaluate("document.activeElement.getAttribute('aria-label')")


def test_four_are_ranked_by_keyboard_alone_with_a_tie_and_every_move_is_said(form: Page, ranking: Locator) -> None:
    said = ranking.get_by_role("status")
    ranking.get_by_role("button", name="Place A next").focus()
    keys = [
        ("Enter", "A: place 1 of 1", "Move A up"),
        ("Tab Tab Tab Tab Enter", "B: place 2 of 2", "Move B up"),
        ("Tab Tab Tab Tab Enter", "C: place 3 of 3", "Move C up"),
        ("Tab Tab Tab Tab Enter", "D: place 4 of 4", "Move D up"),
        ("ArrowUp", "D: place 3 of 4", "Move D up"),
        ("ArrowUp", "D: place 2 of 4", "Move D up"),
        ("=", "D: place 1 of 3, level with A", "D is level with the one above"),
        ("Tab Tab ArrowDown", "B: place 3 of 3", "Move B down"),
    ]
    for pressed, words, where in keys:
        for key in pressed.split():
            form.keyboard.press(key)
        assert (said.text_content(), focused(form)) == (words, where)
    assert posted(form, "order") == {"order-A": ["1"], "order-B": ["3"], "order-C": ["2"], "order-D": ["1"]}
    expect(ranking.get_by_role("list", name="Your ranking, best first")).to_match_aria_snapshot(
        """
        - list "Your ranking, best first":
          - listitem:
            - text: /A Bees dance .* place 1 of 3, level with D/
            - button "Move A up"
            - button "Move A down"
            - button "A is level with the one above"
            - button "Take out A"
          - listitem:
            - text: /D Bees .* smell flowers .* place 1 of 3, level with A/
            - button "Move D up"
            - button "Move D down"
            - button "D is level with the one above" [pressed]
            - button "Take out D"
          - listitem:
            - text: C Nobody knows how bees find flowers. place 2 of 3
            - button "Move C up"
            - button "Move C down"
            - button "C is level with the one above"
            - button "Take out C"
          - listitem:
            - text: /B A bee that has found flowers .* place 3 of 3/
            - button "Move B up"
            - button "Move B down"
            - button "B is level with the one above"
            - button "Take out B"
        """
    )


def test_ranked_one_is_taken_out_or_marked_and_moves_nowhere_beyond_the_ends(form: Page, ranking: Locator) -> None:
    press = lambda name: ranking.get_by_role("button", name=name).click()  # noqa: E731 - a word of this test
    said = ranking.get_by_role("status")
    press("Place B next")
    press("Move B up")
    expect(said).to_have_text("B: already there")
    form.keyboard.press("Delete")
    assert (said.text_content(), focused(form)) == ("B: no place yet", "Place B next")
    press("B cannot be ranked")
    assert (posted(form, "order"), said.text_content()) == ({"order-B": ["x"]}, "B: cannot be ranked")
    expect(ranking.get_by_role("button", name="B cannot be ranked")).to_have_attribute("aria-pressed", "true")
    press("B cannot be ranked")
    assert posted(form, "order") == {}


def drag(page: Page, slot: str, onto: str, share: float) -> None:
    """Hold the handle of one and let it go over another, at that share of its height."""
    handle = page.locator(f'.ranking-item:has([data-row="{slot}"]) .ranking-handle')
    target = page.locator(onto).bounding_box()
    assert target
    handle.hover()
    page.mouse.down()
    page.mouse.move(target["x"] + 40, target["y"] + target["height"] * share, steps=4)
    page.mouse.up()


def item(slot: str) -> str:
    return f'.ranking-item:has([data-row="{slot}"])'


def test_ranking_is_dragged_before_after_level_and_out_again(form: Page, ranking: Locator) -> None:
    for slot in "AB":
        ranking.get_by_role("button", name=f"Place {slot} next").click()
    drag(form, "C", item("A"), 0.1)
    assert posted(form, "order") == {"order-C": ["1"], "order-A": ["2"], "order-B": ["3"]}
    drag(form, "C", item("B"), 0.5)
    assert posted(form, "order") == {"order-A": ["1"], "order-B": ["2"], "order-C": ["2"]}
    drag(form, "A", item("C"), 0.95)
    assert posted(form, "order") == {"order-B": ["1"], "order-C": ["1"], "order-A": ["2"]}
    drag(form, "B", item("D"), 0.5)
    assert posted(form, "order") == {"order-C": ["1"], "order-A": ["2"]}


def test_rationale_of_a_tie_comes_with_the_tie(form: Page) -> None:
    expect(form.locator("#question-tied")).to_be_hidden()
    form.locator("#question-better").get_by_label("Equally good").check()
    expect(form.locator("#question-tied")).to_be_visible()
    assert posted(form, "tied") == {"tied": ["They say the same."]}
    form.locator("#question-better").get_by_label("A", exact=True).check()
    expect(form.locator("#question-tied")).to_be_hidden()


def test_points_and_stars_are_named_in_words(form: Page) -> None:
    form.get_by_role("radio", name="−3: A is much better").check()
    form.locator("#question-stars").get_by_role("radio", name="4 of 5 stars").check()
    assert (posted(form, "signed"), posted(form, "stars")) == ({"signed": ["-3"]}, {"stars": ["4"]})


def test_cell_of_a_grid_is_named_by_its_aspect_and_its_candidate(form: Page) -> None:
    cell = form.locator("#question-grid").get_by_role("radiogroup", name="Is it true?: C")
    cell.get_by_role("radio", name="2 of 5 stars").check()
    form.get_by_role("slider", name="Is it kind?: B").press("ArrowRight")
    assert posted(form, "grid") == {"grid-true-C": ["2"]}
    assert posted(form, "slider_grid") == {"slider_grid-kind-B": ["51"]}


def test_everything_can_be_answered_without_script(browser: Browser, site_url: str) -> None:
    context = browser.new_context(java_script_enabled=False)
    page = context.new_page()
    page.goto(f"{site_url}/all.html")
    for slot, place in zip("ABCD", "2134", strict=True):
        page.locator(f"#order-{slot}").select_option(place)
    page.locator("#question-order").get_by_label("A", exact=False).first.select_option("x")
    expect(page.locator("#order-A")).to_have_value("x")
    page.get_by_role("textbox", name="About words").fill("it is clearer")
    page.locator("#marked-1-quote").fill("smell flowers")
    page.locator("#marked-1-category").select_option("fact")
    page.get_by_label("Back home it dances.").first.fill("1")
    page.get_by_text("Writing", exact=True).click()
    page.get_by_label("Letters").check()
    context.close()


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [375, 1280])
def test_axe_finds_nothing_and_nothing_is_wider_than_the_screen(form: Page, scheme: Any, width: int) -> None:
    form.emulate_media(color_scheme=scheme, reduced_motion="reduce")
    form.set_viewport_size({"width": width, "height": 800})
    form.locator("#question-better").get_by_label("Equally good").check()
    for slot in "AB":
        form.get_by_role("button", name=f"Place {slot} next").click()
    form.get_by_role("button", name="B is level with the one above").click()
    form.locator("#question-marked .span-text").select_text()
    form.get_by_role("button", name="Style: Good").click()
    form.get_by_role("button", name="Bees live in hives.", exact=True).click()
    found = [(violation["id"], violation["nodes"][0]["html"]) for violation in Axe().run(form).response["violations"]]
    assert found == []
    assert form.evaluate("document.documentElement.scrollWidth") == width


def test_targets_of_fingers_are_44_pixels_high(form: Page) -> None:
    form.set_viewport_size({"width": 375, "height": 800})
    form.get_by_role("button", name="Place A next").click()
    small = form.evaluate(
        """() => [...document.querySelectorAll(".choice, .star, .likert-point, .ranking-row button")]
            .filter((target) => target.checkVisibility() && target.getBoundingClientRect().height < 44)
            .map((target) => target.outerHTML)"""
    )
    assert small == []


def test_words_are_marked_by_keyboard_and_by_pointer_at_their_place_in_code_points(form: Page) -> None:
    question, text = form.locator("#question-marked"), form.locator("#question-marked .span-text")
    said = question.get_by_role("status")
    text.focus()
    for key in ("ArrowRight", "ArrowRight", "Shift+ArrowRight"):
        form.keyboard.press(key)
    expect(said).to_have_text("Selected: smell flowers")
    form.keyboard.press("2")
    expect(said).to_have_text("Marked: smell flowers, A fact: Bad")
    first = {
        "marked-1-quote": ["smell flowers"],
        "marked-1-start": ["7"],
        "marked-1-category": ["fact"],
        "marked-1-polarity": ["negative"],
    }
    assert posted(form, "marked") == first
    expect(text.locator("mark")).to_have_text("smell flowers")
    question.get_by_role("button", name="Remove smell flowers").click()
    assert (posted(form, "marked"), text.locator("mark").count()) == ({}, 0)


def test_word_after_the_last_mark_of_three_rows_gets_a_row_of_its_own_up_to_the_most(form: Page) -> None:
    question = form.locator("#question-parts")
    for number in range(3):
        question.locator(".span-text").nth(number).select_text()
        question.get_by_role("button", name="Mark", exact=True).click()
    expect(question.get_by_role("status")).to_have_text("There are as many marks as are possible.")
    assert (posted(form, "parts")["parts-1-slot"], posted(form, "parts")["parts-2-slot"]) == (["A"], ["B"])
    assert form.locator("#question-parts .span-row").count() == 2


def test_sentences_are_chosen_in_an_order_of_ones_own(form: Page) -> None:
    question = form.locator("#question-summary")
    for sentence in ("Back home it dances.", "Bees live in hives.", "A scout looks for flowers."):
        question.get_by_role("button", name=sentence, exact=True).click()
    question.get_by_role("button", name="Earlier: Bees live in hives.").click()
    question.get_by_role("button", name="3 A scout looks for flowers.", exact=True).click()
    assert posted(form, "summary") == {"summary-0": ["1"], "summary-2": ["2"]}
    expect(question.get_by_role("status")).to_have_text("taken out")


def test_label_is_found_by_a_few_letters_without_accents(form: Page) -> None:
    question = form.locator("#question-area")
    question.get_by_role("searchbox", name="Search the labels").fill("medec")
    expect(question.get_by_role("radio")).to_have_count(1)
    question.get_by_role("radio", name="Médecine").check()
    assert posted(form, "area") == {"area": ["Knowledge/People/Médecine"]}


def test_edited_text_goes_back_to_the_original(form: Page) -> None:
    text = form.get_by_label("About edited")
    original = text.input_value()
    text.fill("Bees smell.")
    form.get_by_role("button", name="Put the original text back").click()
    assert text.input_value() == original
    expect(text).to_be_focused()


def test_mistakes_stand_beside_what_they_are_about_and_axe_finds_nothing(form: Page, phone: Any) -> None:
    form.set_viewport_size(phone)
    form.goto("/refused.html")
    expect(form.locator("pv-ranking")).to_have_class("ranking is-scripted")
    expect(form.locator("#order-C")).to_contain_text("This one has no place yet.")
    assert [text.strip() for text in form.locator("[data-row].has-error .field-error").all_text_contents()] == [
        "Choose one here, too.",
        "This one has no place yet.",
        "This one has no place yet.",
        "This is not one of the choices.",
        "Write a whole number from 0 to 100.",
        "These words do not stand in the text.",
        "Place 1 is taken already.",
    ]
    form.locator("#marked-1-quote").fill("flowers")
    form.locator("#marked-1-quote").blur()
    expect(form.locator("#question-marked q").first).to_have_text("flowers")
    assert Axe().run(form).response["violations"] == []
    assert form.evaluate("document.documentElement.scrollWidth") == phone["width"]
