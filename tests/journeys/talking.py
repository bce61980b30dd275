"""A live talk as a person sees it in the browser."""

from collections.abc import Callable

from playwright.sync_api import BrowserContext, Page, expect

from annotation.participation.models import Participation
from models_serving.catalog.models import ServedModel
from tests.factories.streams import held_by
from tests.live import wait_until

WRITING = "The answers are being written"
VOICES = {
    "terse": "Yes. Rice, two carrots, one onion. Chop, fry, stir, salt, eat. Nothing else.",
    "warm": "What a lovely question! Take whatever you have, my friend, and let it simmer gently.",
    "formal": "One may recommend a pilaf, prepared with seasonal vegetables and a modest quantity of butter.",
    "playful": "Rice party! Toss in peas, wiggle the pan, and shout hurray when it sizzles.",
}


def serve(**options: object) -> None:
    """The four demo models, each answering in its own voice; the same again changes how they answer."""
    for voice, text in VOICES.items():
        given = {"text": text} | options
        ServedModel.objects.update_or_create(
            name=f"demo-{voice}", defaults={"backend": "scripted", "served_name": f"x-{voice}", "options": given}
        )


def come_in(context: BrowserContext, site_url: str, person: Participation) -> None:
    """Let the browser hold that participation."""
    context.add_cookies([{"name": name, "value": value, "url": site_url} for name, value in held_by(person).items()])


def send(page: Page, text: str) -> None:
    page.get_by_label("Your message").fill(text)
    page.get_by_role("button", name="Send").click()


def texts(page: Page) -> dict[str, str]:
    """What stands in each answer by now."""
    found: dict[str, str] = page.evaluate(
        """() => Object.fromEntries([...document.querySelectorAll("#talk .answer")]
            .map((one) => [one.dataset.slot, one.querySelector(".answer-text, .answer-html")?.textContent.trim() ?? ""])
        )"""
    )
    return found


def is_writing(page: Page) -> bool:
    return page.locator("[data-turn-events]").count() == 1


def when_all(page: Page, what: str, holds: Callable[[str, str], bool]) -> dict[str, str]:
    """The texts as soon as `holds(slot, text)` for every slot, while they are still being written."""

    def now() -> dict[str, str] | None:
        # the page's own events come in while Playwright waits
        page.wait_for_timeout(30)
        found = texts(page)
        assert is_writing(page), f"the answers were complete before {what}: {found}"
        return found if found and all(holds(slot, text) for slot, text in found.items()) else None

    seen: dict[str, str] = wait_until(what, now)
    return seen


def growing(page: Page) -> dict[str, str]:
    """Every answer has some text and gets more. What stood there at the end of that."""
    expect(page.get_by_role("heading", name=WRITING)).to_be_visible()
    first = when_all(page, "every answer begins", lambda _, text: len(text) > 0)
    return when_all(page, "every answer grows", lambda slot, text: len(text) > len(first[slot]))


def complete(page: Page, slots: int) -> dict[str, str]:
    """Wait until the answers can be rated; what they say."""
    expect(page.locator("#judge-form .answer")).to_have_count(slots, timeout=30_000)
    return texts(page)


def rate(page: Page, **steps: int) -> None:
    """Set each slot's slider by keyboard: its letter, then so many arrows."""
    for slot, count in steps.items():
        page.keyboard.press(slot)
        for _ in range(abs(count)):
            page.keyboard.press("ArrowRight" if count > 0 else "ArrowLeft")
