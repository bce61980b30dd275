"""How long a person waits for the first token on the screen, from pressing "Send" on: a real browser, the whole site
that `make run` starts with a demo model, one person at a time, whose page has come to rest. Beside it the engine's own
first token: the difference is what page, job and event log add. `MODE=scaled`: the services of `docker/compose.yml` on
PostgreSQL and Redis.

`make bench NAME=first_token`; `TURNS=5` for less (20). It needs Chromium."""

import json
import os
import sys
import tempfile
from pathlib import Path
from typing import Any

from tests.benchmarks._keeping import keep, percentile
from tests.benchmarks._sites import MODE, site
from tests.benchmarks.live_streams import document
from tests.browser import HOW_TO_GET_ONE, chromium

TURNS = int(os.environ.get("TURNS", "20"))
ONE = {"candidates": {"recipe": "distinct_models", "k": 1}, "protocol": "rate", "reveal": "free"}
# in milliseconds since the epoch: when the message was sent, and when some text of its answer had been painted
WATCH = """
addEventListener("submit", () => { window.posted = Date.now(); window.seen = 0; }, true);
const told = {};
window.shown = Promise.all(["painted", "complete"].map((name) => new Promise((tell) => { told[name] = tell; })));
new MutationObserver(() => {
  if (document.querySelector("#judge-form")) told.complete();
  // an answer that was complete before its stream was open comes whole, with the questions
  const text = document.querySelector("[data-turn-events] .answer-text")?.textContent.trim()
    || document.querySelector("#judge-form");
  if (text && window.posted && !window.seen) {
    window.seen = -1;
    requestAnimationFrame(() => setTimeout(() => { told.painted(window.seen = Date.now()); }));
  }
}).observe(document, { subtree: true, childList: true, characterData: true });
"""


def main() -> int:
    program = chromium()
    if program is None:
        sys.exit(f"No browser. {HOW_TO_GET_ONE}")
    # Playwright keeps an event loop in this thread
    os.environ["DJANGO_ALLOW_ASYNC_UNSAFE"] = "true"
    with (
        tempfile.TemporaryDirectory(prefix="plurivox-bench-", ignore_cleanup_errors=True) as folder,
        site(Path(folder)) as url,
    ):
        figures = measured(Path(folder), url, program)
    print(json.dumps(figures), flush=True)
    keep("first_token", figures)
    return 0


def measured(folder: Path, url: str, program: str) -> dict[str, Any]:
    import django

    django.setup()
    from django.core.management import call_command

    file = folder / "live.yaml"
    study = document("open") | {"models": {"pool": ["demo-warm"], "sampling": {"max_tokens": 40}}}
    study["steps"][1] |= {"opening": ONE, "turns": ONE | {"min": 1, "max": 1}}
    file.write_text(json.dumps(study))
    call_command("study", "load", str(file), "--open", verbosity=0)
    seen, engine = on_screen(url, program), engines()
    added = [screen - own for screen, own in zip(seen, engine, strict=True)]
    told = {"on_screen": seen, "engine": engine, "added": added}
    figures = {
        f"{name}_p{share}_ms": round(percentile(times, share / 100) * 1000)
        for name, times in told.items()
        for share in (50, 95)
    }
    return {"turns": TURNS, "mode": MODE} | figures


def on_screen(url: str, program: str) -> list[float]:
    """Seconds from "Send" to the first text, for one person after the other."""
    from django.utils import timezone
    from playwright.sync_api import expect, sync_playwright

    from annotation.conversations.services.conversations import start_conversation
    from annotation.studies.models import Study
    from tests.factories.participations import participation
    from tests.factories.streams import held_by

    made = Study.objects.select_related("current").get(slug="live")
    seen = []
    arguments = ["--no-sandbox", "--disable-gpu", "--disable-background-networking", "--disable-dev-shm-usage"]
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=program, args=arguments)
        for _ in range(TURNS):
            person = participation(made, step=1)
            start_conversation(participation=person, step="talk", kind="", now=timezone.now())
            context = browser.new_context(base_url=url)
            context.add_cookies([{"name": name, "value": value, "url": url} for name, value in held_by(person).items()])
            page = context.new_page()
            page.add_init_script(WATCH)
            page.goto(f"/p/{person.pk}/talk/talk/")
            page.get_by_label("Your message").fill("Hello, how are you today?")
            # as long as somebody types the page has come to rest; what is typed is saved by then
            page.wait_for_load_state("networkidle")
            expect(page.locator("[data-form=message] [data-pv-status]")).to_contain_text("Saved")
            page.get_by_role("button", name="Send").click()
            # the next one begins when the engine has nothing left to do; nobody asks for it again and again meanwhile
            page.evaluate("window.shown.then(() => true)")
            first, posted = page.evaluate("[window.seen, window.posted]")
            assert first > posted
            seen.append((first - posted) / 1000)
            context.close()
        browser.close()
    return seen


def engines() -> list[float]:
    """The engine's own seconds to the first token of each turn, as the client of the model saw them."""
    from annotation.items.models import Generation

    rows = Generation.objects.filter(state=Generation.State.DONE).order_by("started_at")
    return [row.first_token_s for row in rows if row.first_token_s is not None]


if __name__ == "__main__":
    sys.exit(main())
