"""Every page of PRISM as its document makes it, on the smallest screen: the survey, the choice of a type, and the
questions after a talk."""

from collections.abc import Iterator
from typing import Any

import pytest
from django.utils import timezone
from playwright.sync_api import Browser, BrowserContext, Page, expect

from annotation.conversations.models import Conversation
from annotation.conversations.services.conversations import finish_conversation, start_conversation
from annotation.judgements.models import Judgement
from annotation.participation.models import Participation
from annotation.studies.document.steps import ConversationsStep, QuestionnaireStep
from annotation.studies.models import Study
from annotation.studies.queries import document_of
from annotation.studies.services import open_study, publish, save_source
from tests.factories import talks
from tests.factories.participations import participation
from tests.journeys.looking import Looker
from tests.journeys.talking import come_in, serve


@pytest.fixture
def looker(site_url: str) -> Looker:
    # one scheme: the parts of these pages are seen in both on the tour
    return Looker(site_url, "prism-phone", "light", touch=True)


@pytest.fixture
def context(browser: Browser, site_url: str, phone: Any, looker: Looker) -> Iterator[BrowserContext]:
    context = browser.new_context(
        base_url=site_url,
        locale="en-GB",
        reduced_motion="reduce",
        viewport=phone,
        color_scheme=looker.scheme,
        has_touch=True,
        is_mobile=True,
    )
    yield context
    context.close()


@pytest.fixture
def site_url(transactional_db: None, _web: str) -> str:
    """Web alone: the answers are made in the test itself."""
    return _web


@pytest.fixture
def study(site_url: str) -> Study:
    now = timezone.now()
    serve()
    made = save_source(slug="prism-demo", tree={"extends": "prism_demo"}, actor="test", now=now)
    publish(study=made, actor="test", now=now)
    open_study(study=made, actor="test", now=now)
    return Study.objects.select_related("current").get(pk=made.pk)


def test_every_page_of_prism_fits_a_phone_and_everybody(study: Study, context: BrowserContext, looker: Looker) -> None:
    assert study.current is not None
    page = looker.watch(context.new_page())
    for index, step in enumerate(document_of(study.current).steps):
        person = participation(study, step=index)
        come_in(context, looker.site_url, person)
        if isinstance(step, QuestionnaireStep):
            survey(page, looker, person, step)
        elif isinstance(step, ConversationsStep):
            conversation(page, looker, person, step)
        else:
            page.goto(f"/p/{person.pk}/")
            looker.look(page, step.name)
    assert "\n".join(looker.problems) == ""


def survey(page: Page, looker: Looker, person: Participation, step: QuestionnaireStep) -> None:
    for number in range(len(step.pages)):
        Participation.objects.filter(pk=person.pk).update(page=number)
        page.goto(f"/p/{person.pk}/questions/{step.name}/{number + 1}/")
        expect(page.locator("[data-question]").first).to_be_attached()
        looker.look(page, f"{step.name} page {'abcdefghijkl'[number]}")


def conversation(page: Page, looker: Looker, person: Participation, step: ConversationsStep) -> None:
    page.goto(f"/p/{person.pk}/talk/{step.name}/")
    looker.look(page, "types")
    talk = start_conversation(participation=person, step=step.name, kind=next(iter(step.types)), now=timezone.now())
    for number in range(step.turns.min):
        turn = talks.answered(talk, f"What do you think of number {number}?")
        page.reload()
        looker.look(page, f"judging turn {'ab'[number]}")
        talks.judged(turn)
    finish_conversation(conversation_id=talk.pk, participation=person, now=timezone.now())
    page.reload()
    for block in step.after:
        expect(page.locator("form[data-form=after]")).to_be_visible()
        for closed in page.locator("main details:not([open]) > summary").all():
            closed.click()
        looker.look(page, f"after {block.name}")
        answered(page)
    talk.refresh_from_db()
    assert talk.state == Conversation.State.FINISHED
    assert Judgement.objects.count() == step.turns.min + len(step.after)
    expect(page.locator("form[data-form=type]")).to_be_visible()
    looker.look(page, "types after one")


def answered(page: Page) -> None:
    """Fill in what the block asks, by keyboard where it is a slider, and send it."""
    for slider in page.locator("form[data-form=after] input[type=range]").all():
        slider.press("ArrowRight")
    for text in page.locator("form[data-form=after] textarea").all():
        text.fill("It was clear and kind, but it missed the point of my question.")
    action = page.locator("form[data-form=after]").get_attribute("action")
    page.get_by_role("button", name="Continue").click()
    expect(page.locator(f'form[action="{action}"]')).to_have_count(0)
