"""A researcher brings items by hand and opens a study with them, in a real browser; then somebody judges one."""

from pathlib import Path

from playwright.sync_api import Page, expect

from annotation.accounts.models import User
from annotation.assignments.models import Assignment
from annotation.judgements.models import Judgement
from annotation.studies.loading import written
from annotation.studies.models import Study
from tests.conftest import LiveSite
from tests.factories import cards
from tests.factories.item_files import jsonl, pair
from tests.factories.participations import participation
from tests.journeys.looking import Looker
from tests.journeys.talking import come_in
from tests.live import wait_until


def signed_in(page: Page) -> Page:
    User.objects.create_superuser("ada", "ada@example.org", "a good password")
    page.goto("/admin/login/")
    page.get_by_label("Username").fill("ada")
    page.get_by_label("Password").fill("a good password")
    page.get_by_label("Password").press("Enter")
    expect(page.get_by_role("heading", name="What waits for you")).to_be_visible()
    return page


def drafted() -> Study:
    """A study in the draft, which names two sets; another that names one."""
    other = cards.document(study="other", item_sets={"others": {}})
    other["steps"][0]["items"] = "others"
    draft = cards.document(item_sets={"things": {}, "more": {}})
    for document in (other, draft):
        Study.objects.create(slug=document["study"], title=document["title"], draft=written(document))
    return Study.objects.get(slug="pairs")


def test_a_file_becomes_cards_by_the_links_that_each_page_offers(
    page: Page, live_site: LiveSite, tmp_path: Path
) -> None:
    study = drafted()
    looker = Looker(live_site.url, "items-by-hand", "light", touch=False)
    signed_in(looker.watch(page))
    page.goto(f"/admin/studies/study/{study.pk}/running/")
    page.get_by_role("row", name="things").get_by_role("link", name="Import a file").click()
    expect(page.get_by_label("Item set")).to_have_value("things")
    assert page.eval_on_selector_all("#sets option", "all => all.map(one => one.value)") == ["things", "more"]
    rows = [pair(1), pair(1, prompt="Another question?")]
    page.locator("[name=file]").set_input_files(jsonl(tmp_path / "pairs.jsonl", rows))
    page.get_by_role("button", name="Send the file").click()
    expect(page.get_by_text("Looks like an id, but its values repeat (p1 stands in 2 rows)")).to_be_visible()
    page.get_by_role("button", name="Try it, without importing").click()
    page.get_by_role("button", name="Import 2 items").click()
    page.get_by_role("link", name="Publish the study").click()
    page.get_by_role("button", name="Publish").click()
    page.get_by_role("button", name="Let people in").click()
    expect(page.get_by_role("link", name=f"{live_site.url}/s/pairs/")).to_be_visible()
    assert looker.problems == []
    wait_until("places are open", lambda: Assignment.objects.filter(study=study, state="open").count() == 2)
    study.refresh_from_db()
    person = participation(study)
    come_in(page.context, live_site.url, person)
    page.goto(f"/p/{person.pk}/judge/cards/")
    page.get_by_role("button", name="Begin").press("Enter")
    shown = page.locator("#judge-form .answer", has_text="Yes 1.").get_attribute("data-slot")
    page.keyboard.press(str(shown).lower())
    page.keyboard.press("Control+Enter")
    wait_until("it is stored", Judgement.objects.exists)
    assert Judgement.objects.get().chosen.text == "Yes 1."
