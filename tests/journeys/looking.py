"""What every page of a journey is looked at for, in whatever state it is: usable by everybody, no wider than its
screen, quiet in the console, and content with what its own server gives it."""

import re
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import ConsoleMessage, Page, Request

SCREENSHOTS = Path(__file__).resolve().parent / "screenshots"
TAGS = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"]
EVERYTHING = {"runOnly": {"type": "tag", "values": TAGS}, "rules": {"target-size": {"enabled": True}}}
# what a finger has to hit and how high it is; a tick counts with its label, a link in running text is exempt
TARGETS = """() => [...document.querySelectorAll(
        "button, input:not([type=hidden]), select, textarea, summary, a.button")]
    .map((one) => one.matches("[type=radio], [type=checkbox]") ? one.closest("label") ?? one : one)
    .filter((one) => one.checkVisibility({ visibilityProperty: true }) && !one.closest(".visually-hidden, dialog"))
    .map((one) => [one.outerHTML.slice(0, 120).replace(/\\s+/g, " "), one.getBoundingClientRect()])
    .filter(([, box]) => box.height < 43.5)
    .map(([html, box]) => `${Math.round(box.width)}×${Math.round(box.height)}: ${html}`)"""


@dataclass
class Looker:
    """Looks at pages in one browser; `problems` is empty at the end of a good journey."""

    site_url: str
    name: str
    scheme: Any
    touch: bool
    problems: list[str] = field(default_factory=list)
    looked: int = 0

    def watch(self, page: Page) -> Page:
        page.on("console", self._heard)
        page.on("pageerror", lambda error: self.problems.append(f"script: {error}"))
        page.on("request", self._asked)
        return page

    def look(self, page: Page, state: str) -> None:
        """Judge what is on the screen now, and keep a picture of it."""
        self.looked += 1
        self._axe(page, state, EVERYTHING)
        wide = page.evaluate("document.scrollingElement.scrollWidth - window.innerWidth")
        self.problems += [f"{state}: {wide} px too wide"] if wide > 0 else []
        if self.touch:
            self.problems += [f"{state}: too small to touch: {one}" for one in page.evaluate(TARGETS)]
        page.evaluate("window.scrollTo(0, 0)")
        SCREENSHOTS.mkdir(exist_ok=True)
        file = f"{self.name}-{self.looked:02d}-{re.sub('[^a-z]+', '-', state.lower())}.png"
        page.screenshot(path=SCREENSHOTS / file, full_page=True)

    def _axe(self, page: Page, state: str, options: dict[str, Any]) -> None:
        for found in Axe().run(page, options=options).response["violations"]:
            places = [node["target"] for node in found["nodes"]]
            self.problems.append(f"{state}: {found['id']} {places} {found['nodes'][0].get('failureSummary', '')}")

    def _heard(self, message: ConsoleMessage) -> None:
        # a form that comes back with its mistakes is no error of ours, though the browser says so
        if message.type in {"error", "warning"} and "status of 422" not in message.text:
            self.problems.append(f"console: {message.text}")

    def _asked(self, request: Request) -> None:
        if not request.url.startswith((self.site_url, "data:", "blob:")):
            self.problems.append(f"a request left the host: {request.url}")
