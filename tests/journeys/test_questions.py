"""Questions in a real browser: what the script adds, what works without it, and what a form would post."""

import functools
import threading
from collections.abc import Iterator
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Browser, Page, expect

from annotation.studies.loading import checked
from annotation.studies.preview import write_preview

DOCUMENT: dict[str, Any] = {
    "study": "kinds",
    "title": "Every kind",
    "questions": {
        "one": {
            "kind": "single_choice",
            "text": "Which?",
            "choices": ["Red", "Green"],
            "other": True,
            "prefer_not": True,
            "help": "One only.",
        },
        "why": {"kind": "short_text", "text": "Why red?", "show_if": {"one": "Red"}},
        "many": {
            "kind": "multiple_choice",
            "text": "Which ones?",
            "choices": {"a": "**Alpha**", "b": "Beta", "none": "None of these"},
            "exclusive": ["none"],
            "other": True,
        },
        "land": {"kind": "drop_down", "text": "Where?", "source": "countries"},
        "slide": {"kind": "slider", "text": "How good?", "scale": {"ends": ["Terrible", "Perfect"]}},
        "shown": {
            "kind": "slider",
            "text": "How much?",
            "na": True,
            "scale": {"ends": ["None", "All"], "number": "shown"},
        },
        "low": {"kind": "short_text", "text": "Why so low?", "show_if": {"slide": {"at_most": 10}}},
        "matrix": {
            "kind": "sliders",
            "text": "How important?",
            "rows": {"a": "Alpha", "b": "Beta"},
            "other": True,
            "na_rows": True,
            "scale": {"start": 50, "ends": ["Low", "High"]},
        },
        "agree": {"kind": "likert", "text": "Agree?", "points": {"labels": ["No", "Neither", "Yes"]}},
        "grid": {
            "kind": "likert_rows",
            "text": "How much of each?",
            "rows": {"a": "Alpha", "b": "Beta"},
            "na_rows": True,
            "points": {"count": 5, "ends": ["Little", "Much"]},
        },
        "tick": {"kind": "statement", "text": "I have read it."},
        "sum": {"kind": "constant_sum", "text": "Share 100", "rows": {"a": "Alpha", "b": "Beta"}, "unit": "points"},
        "line": {"kind": "long_text", "text": "In your words?"},
        "count": {"kind": "number", "text": "How old?", "unit": "years"},
    },
}
DOCUMENT["steps"] = [{"questionnaire": "all", "pages": [list(DOCUMENT["questions"])]}]


class _Quiet(SimpleHTTPRequestHandler):
    def log_message(self, *_: object) -> None:
        """Nothing: a test's output is its result."""


@pytest.fixture(scope="module")
def _pages(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    folder: Path = tmp_path_factory.mktemp("pages")
    write_preview(checked(DOCUMENT), folder)
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
    page.goto("/en-all-0.html")
    expect(page.locator("#slide")).to_have_attribute("type", "range")
    return page


def posted(page: Page, prefix: str) -> dict[str, list[str]]:
    """What a form around the question would send, without empty fields."""
    return dict(
        page.evaluate(
            """(prefix) => {
                const form = document.createElement("form");
                const question = document.getElementById(`question-${prefix}`);
                const original = question.querySelectorAll("input, select, textarea");
                form.append(question.cloneNode(true));
                form.querySelectorAll("input, select, textarea").forEach((copy, n) => {
                    copy.checked = original[n].checked;
                    copy.value = original[n].value;
                });
                const sent = {};
                for (const [name, value] of new FormData(form)) if (value) (sent[name] ??= []).push(value);
                return sent;
            }""",
            prefix,
        )
    )


def test_untouched_slider_posts_nothing_until_it_is_clicked_where_it_stands(form: Page) -> None:
    slider = form.locator("#slide")
    assert posted(form, "slide") == {}
    expect(slider).to_have_attribute("aria-valuetext", "not answered yet")
    slider.click()
    assert posted(form, "slide") == {"slide": ["50"], "slide-touched": ["slide"]}
    assert slider.get_attribute("aria-valuetext") is None


def test_slider_is_set_by_keyboard_and_by_its_number(form: Page) -> None:
    form.locator("#slide").press("ArrowRight")
    assert posted(form, "slide") == {"slide": ["51"], "slide-touched": ["slide"]}
    form.get_by_label("How much? – As a number").fill("70")
    assert posted(form, "shown") == {"shown": ["70"], "shown-touched": ["shown"]}
    assert form.locator("#shown").input_value() == "70"


def test_rows_with_a_start_are_posted_and_only_moved_ones_are_touched(form: Page) -> None:
    form.locator("#matrix-b").press("ArrowLeft")
    assert posted(form, "matrix") == {
        "matrix-a": ["50"],
        "matrix-b": ["49"],
        "matrix-other": ["50"],
        "matrix-touched": ["matrix-b"],
    }


def test_not_applicable_is_taken_back_by_whoever_moves_the_slider_after_all(form: Page) -> None:
    box = form.get_by_label("Not applicable: Alpha").first
    box.check()
    assert posted(form, "matrix")["matrix-a-na"] == ["on"]
    form.locator("#matrix-a").press("ArrowRight")
    expect(box).not_to_be_checked()


def test_prefer_not_to_say_is_taken_back_by_an_answer(form: Page) -> None:
    box = form.get_by_label("Prefer not to say")
    box.check()
    assert posted(form, "one") == {"one-pnts": ["on"]}
    form.get_by_label("Green").check()
    assert posted(form, "one") == {"one": ["Green"]}


def test_choice_that_stands_alone_unticks_the_others_and_they_untick_it(form: Page) -> None:
    for name in ("Alpha", "Beta"):
        form.locator("#question-many").get_by_label(name).check()
    form.get_by_label("None of these").check()
    assert posted(form, "many") == {"many": ["none"]}
    form.locator("#question-many").get_by_label("Beta").check()
    assert posted(form, "many") == {"many": ["b"]}


def test_writing_beside_other_chooses_it(form: Page) -> None:
    form.locator("#one-other-text").fill("Teal")
    assert posted(form, "one") == {"one": ["other"], "one-other-text": ["Teal"]}


def test_country_is_found_by_a_few_letters_without_accents_and_chosen_by_keyboard(form: Page) -> None:
    box = form.get_by_role("combobox", name="Where?")
    box.fill("aland")
    expect(form.get_by_role("option")).to_have_text(["Åland Islands", "New Zealand"])
    box.press("Enter")
    assert (posted(form, "land"), box.input_value()) == ({"land": ["ALA"]}, "Åland Islands")
    expect(box).to_have_attribute("aria-expanded", "false")
    box.press("ArrowDown")
    box.press("ArrowDown")
    box.press("Enter")
    assert posted(form, "land") == {"land": ["ALB"]}


def test_half_a_country_goes_back_to_what_was_chosen_and_an_empty_box_is_no_answer(form: Page) -> None:
    box = form.get_by_role("combobox", name="Where?")
    box.fill("germ")
    form.get_by_role("option", name="Germany").click()
    box.fill("germxyz")
    expect(form.locator(".combobox-empty")).to_have_text("Nothing fits")
    box.blur()
    assert (posted(form, "land"), box.input_value()) == ({"land": ["DEU"]}, "Germany")
    box.fill("")
    box.blur()
    assert posted(form, "land") == {}


def test_question_comes_and_goes_with_the_answer_that_it_depends_on_and_posts_nothing_while_hidden(form: Page) -> None:
    question = form.locator("#question-why")
    expect(question).to_be_hidden()
    form.get_by_label("Red", exact=True).check()
    expect(question).to_be_visible()
    form.locator("#why").fill("Because")
    assert posted(form, "why") == {"why": ["Because"]}
    form.get_by_label("Green").check()
    expect(question).to_be_hidden()
    assert posted(form, "why") == {}
    form.get_by_label("Red", exact=True).check()
    assert posted(form, "why") == {"why": ["Because"]}


def test_question_that_depends_on_a_slider_waits_until_it_is_answered(form: Page) -> None:
    expect(form.locator("#question-low")).to_be_hidden()
    form.locator("#slide").press("Home")
    expect(form.locator("#question-low")).to_be_visible()


def test_sum_runs_along(form: Page) -> None:
    form.locator("#sum-a").fill("30")
    expect(form.locator("#question-sum output")).to_have_text("30")
    form.locator("#sum-b").fill("70")
    expect(form.locator("pv-sum")).to_have_class("constant-sum is-complete")


def test_everything_can_be_answered_without_script(browser: Browser, site_url: str) -> None:
    context = browser.new_context(java_script_enabled=False)
    page = context.new_page()
    page.goto(f"{site_url}/en-all-0.html")
    page.get_by_label("How good?").fill("70")
    page.get_by_label("Where?").select_option("DEU")
    page.locator("#matrix").get_by_label("Alpha", exact=True).fill("20")
    expect(page.locator("#why")).to_be_visible()
    context.close()


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [320, 1280])
def test_axe_finds_nothing_and_nothing_is_wider_than_the_screen(form: Page, scheme: Any, width: int) -> None:
    form.emulate_media(color_scheme=scheme, reduced_motion="reduce")
    form.set_viewport_size({"width": width, "height": 800})
    form.get_by_label("Red", exact=True).check()
    form.get_by_role("combobox", name="Where?").fill("united")
    found = [(violation["id"], violation["nodes"][0]["html"]) for violation in Axe().run(form).response["violations"]]
    assert found == []
    assert form.evaluate("document.documentElement.scrollWidth") == width
