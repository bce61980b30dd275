"""A rehearsal bot: it enters by the study's link, reads each page, fills in its form and goes on until the end."""

import random
import re
import time
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import httpx

from annotation.participation.rehearsal.pages import Form, Page, Values, read_page
from annotation.participation.training import is_right
from annotation.studies.document import StudyDocument
from annotation.studies.document.steps import ConversationsStep
from annotation.studies.document.training import TrainingStep
from annotation.studies.questions.base import AnswerError, Question, Subject, Temperament

SLOT = re.compile(r"^[A-L]-")
TEMPERAMENTS = {
    "careful": Temperament(care=1.0, warmth=0.1),
    "warm": Temperament(care=0.9, warmth=0.8),
    "harsh": Temperament(care=0.9, warmth=-0.8),
    "hasty": Temperament(care=0.3, warmth=0.0),
}
OPENINGS = (
    "Hello, how are you today?",
    "What should I cook tonight with rice and a few vegetables?",
    "How can I get along better with my neighbour?",
    "Should everybody be made to vote?",
    "What do you think about climate change?",
    "Can you help me to prepare for a job interview?",
)
FOLLOW_UPS = ("Can you tell me more?", "Why is that?", "I see it differently.", "Thank you! And what else?")
MOST_PAGES = 1_000
# what a form is for, the first thing that a person would do first
PURPOSES = (
    *("start", "consent", "page", "slide", "training", "again", "type", "retry", "message", "begin", "before", "judge"),
    *("after", "continue", "finish", "wait"),
)
# between two looks at the line, as the page's script does
LOOKS_EVERY = 2.0
MOST_GUESSES = 300
# how often somebody without any care skips an item, or stops as soon as they may
SKIPS, STOPS = 0.15, 0.1


class RehearsalError(Exception):
    """A bot met a page that it could not get past."""


@dataclass
class Journey:
    """What became of a bot."""

    number: int
    temperament: str
    end: str = ""
    code: str = ""
    participation: str = ""
    error: str = ""
    counts: Counter[str] = field(default_factory=Counter)


@dataclass
class Bot:
    """One bot. `keep_in` receives everything that it was sent, headers and redirects too, for blindness checks."""

    document: StudyDocument
    base_url: str
    token: str
    number: int
    seed: int
    openings: tuple[str, ...] = OPENINGS
    keep_in: Path | None = None
    timeout: float = 300.0

    def __post_init__(self) -> None:
        self.rng = random.Random(f"{self.seed}/{self.number}")
        kind = list(TEMPERAMENTS)[self.number % len(TEMPERAMENTS)]
        self.temperament = TEMPERAMENTS[kind]
        self.journey = Journey(self.number, kind)
        self.pages_read = 0
        self.turns_wanted = 0

    def take_part(self) -> Journey:
        """Go from the link to an end page. Errors are kept in the journey, one bot does not stop the others."""
        headers = {"User-Agent": "plurivox-rehearsal"}
        with httpx.Client(timeout=self.timeout, follow_redirects=True, headers=headers) as self.client:
            try:
                self._walk()
            except (RehearsalError, httpx.HTTPError) as error:
                self.journey.error = f"{type(error).__name__}: {error}"
        return self.journey

    def _walk(self) -> None:
        panel = self.document.panel
        query = {
            panel.person: f"bot-{self.seed}-{self.number}",
            panel.study: "rehearsal",
            panel.session: str(self.seed),
        }
        page = self._get(f"{self.base_url}/s/{self.document.study}/", query)
        for _ in range(MOST_PAGES):
            if page.end:
                self.journey.end, self.journey.code = page.end, page.code
                return
            page = self._step(page)
        raise RehearsalError(f"no end after {MOST_PAGES} pages, last {page.url}")

    def _step(self, page: Page) -> Page:
        if page.turn_events:
            self._wait_for_turn(page.turn_events)
            return self._get(page.url)
        form = self._next_form(page)
        if form is None:
            raise RehearsalError(f"nothing to do at {page.url}: {', '.join(page.forms) or 'no form'}")
        self.journey.counts[form.purpose] += 1
        if form.purpose == "wait":
            time.sleep(LOOKS_EVERY)
        if form.is_get:
            return self._get(form.action, {name: values[0] for name, values in form.values.items()})
        return self._post(form, self._filled(form))

    def _next_form(self, page: Page) -> Form | None:
        """Finish a talk when it has had its turns, else the first form that a person would fill in."""
        if "finish" in page.forms and self._had_enough():
            return page.forms["finish"]
        if "skip" in page.forms and self.rng.random() < SKIPS * (1 - self.temperament.care):
            return page.forms["skip"]
        if "enough" in page.forms and self.rng.random() < STOPS * (1 - self.temperament.care):
            return page.forms["enough"]
        for purpose in PURPOSES:
            if purpose in page.forms:
                return page.forms[purpose]
        return None

    def _had_enough(self) -> bool:
        step = next((step for step in self.document.steps if isinstance(step, ConversationsStep)), None)
        most = 3 if step is None else step.turns.min + 1
        self.turns_wanted = self.turns_wanted or self.rng.randint(0, max(most - 1, 0))
        self.turns_wanted -= 1
        return self.turns_wanted <= 0

    # -- filling in --------------------------------------------------------------------------------------------------
    def _filled(self, form: Form) -> Values:
        values = {name: list(given) for name, given in form.values.items()}
        if form.purpose == "start":
            values["rehearsal"] = [self.token]
        for name in form.ticks:
            values.setdefault(name, ["on"])
        for name, choices in form.choices.items():
            values[name] = values.get(name) or [self.rng.choice(choices)]
        for name in form.texts:
            values[name] = [self._written(form)]
        for prefix in form.questions:
            values |= self._answered(prefix, form)
        return values

    def _written(self, form: Form) -> str:
        if form.purpose != "message":
            return "None of them answers what was asked."
        opening = not form.values.get("turn", [""])[0]
        return self.rng.choice(self.openings if opening else FOLLOW_UPS)

    def _answered(self, prefix: str, form: Form) -> Values:
        slot, name = "", prefix
        if prefix not in self.document.questions and SLOT.match(prefix):
            slot, name = prefix[0], prefix[2:]
        question = self.document.questions.get(name)
        if question is None:
            raise RehearsalError(f"the document has no question for {prefix}")
        if form.purpose == "training":
            return self._learnt(name, question)
        return _bound(question, slot, form).bot_fields(prefix, None, self.rng, self.temperament)

    def _learnt(self, name: str, question: Question) -> Values:
        """An answer in a quiz: right as often as the bot has care, and every time after a first try."""
        tries = self.journey.counts["training"]
        guess = question.bot_fields(name, None, self.rng, self.temperament)
        if tries < 2 and self.rng.random() > self.temperament.care:
            return guess
        steps = (step for step in self.document.steps if isinstance(step, TrainingStep))
        correct = next(one.correct for step in steps for one in step.quiz if one.question == name)
        return right_fields(question, name, correct, self.rng, self.temperament)

    # -- HTTP --------------------------------------------------------------------------------------------------------
    def _get(self, url: str, query: dict[str, str] | None = None) -> Page:
        return self._read(self.client.get(url, params=query))

    def _post(self, form: Form, values: Values) -> Page:
        response = self.client.post(form.action, data=values, headers={"Referer": form.action})
        for _ in range(3):
            if response.status_code != httpx.codes.UNPROCESSABLE_ENTITY:
                return self._read(response)
            self.journey.counts["corrected"] += 1
            again = read_page(str(response.url), response.text)
            if form.purpose not in again.forms:
                break
            self._keep(response, response.text, "html")
            form = again.forms[form.purpose]
            values = {**self._filled(form), **{name: given for name, given in form.values.items() if any(given)}}
            response = self.client.post(form.action, data=values, headers={"Referer": form.action})
        page = read_page(str(response.url), response.text)
        raise RehearsalError(f"{form.purpose} at {form.action} was refused: {page.error or response.status_code}")

    def _read(self, response: httpx.Response) -> Page:
        self._keep(response, response.text, "html")
        if response.is_error:
            raise RehearsalError(f"{response.status_code} at {response.url}")
        parts = urlsplit(str(response.url)).path.split("/")
        if len(parts) > 2 and parts[1] == "p":
            self.journey.participation = parts[2]
        return read_page(str(response.url), response.text)

    def _wait_for_turn(self, url: str) -> None:
        lines: list[str] = []
        with self.client.stream("GET", url, headers={"Accept": "text/event-stream"}) as response:
            if response.is_error:
                raise RehearsalError(f"{response.status_code} at {url}")
            lines.extend(response.iter_lines())
        self.journey.counts["streams"] += 1
        self._keep(response, "\n".join(lines), "events")

    def _keep(self, response: httpx.Response, text: str, suffix: str) -> None:
        """Write down one answer as it came: the heads of redirects on the way, its own head, its body."""
        self.pages_read += 1
        if self.keep_in:
            heads = [f"{one.status_code} {one.url}\n{_head(one)}\n" for one in (*response.history, response)]
            file = self.keep_in / f"bot-{self.number:03d}-{self.pages_read:04d}.{suffix}"
            file.write_text("\n".join([*heads, text]), encoding="utf-8")


def _bound(question: Question, slot: str, form: Form) -> Question:
    """The question as the page puts it: about the candidate in that slot, or about all of them. A bot knows candidates
    by their letters alone."""
    slots = [slot] if slot else list(form.slots)
    texts = {one: form.slots.get(one, "") for one in slots}
    return question.about(Subject({one: one for one in slots}, texts, form.source))


def right_fields(
    question: Question, prefix: str, correct: tuple[Any, ...], rng: random.Random, temperament: Temperament
) -> Values:
    """Fields that the question reads as one of the right answers: the value as it stands, else what the kind's own bot
    comes upon."""
    plain = ({prefix: [str(part) for part in _listed(value)]} for value in correct)
    guesses = (question.bot_fields(prefix, None, rng, temperament) for _ in range(MOST_GUESSES))
    for fields in (*plain, *guesses):
        try:
            value = question.answer(prefix, fields, None).value
        except AnswerError:
            continue
        if is_right(value, correct):
            return fields
    raise RehearsalError(f"no right answer to {prefix} was found")


def _listed(value: Any) -> list[Any]:
    return list(value) if isinstance(value, list | tuple) else [value]


def _head(response: httpx.Response) -> str:
    return "".join(f"{name}: {value}\n" for name, value in response.headers.multi_items())
