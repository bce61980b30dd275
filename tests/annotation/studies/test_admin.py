"""Researchers start, edit, compare, publish and open a study in the admin."""

import pytest
from bs4 import BeautifulSoup
from django.test import Client
from django.urls import reverse

from annotation.accounts.models import AuditEntry, User
from annotation.items.models import Item
from annotation.studies.loading import preset_names, read_document, written
from annotation.studies.models import Study, StudyVersion
from annotation.studies.shelf import presets
from models_serving.catalog.models import ServedModel
from tests.factories import cards
from tests.factories.staff import admin_browser, stranger_browser
from tests.factories.studies import study

pytestmark = pytest.mark.django_db


@pytest.fixture
def demo_models() -> None:
    for voice in ("terse", "warm", "formal", "playful"):
        ServedModel.objects.create(name=f"demo-{voice}", backend="scripted", options={"text": "Hello."})


@pytest.fixture
def tour(demo_models: None) -> Study:
    admin_browser().post(reverse("admin:studies_study_add"), {"slug": "my-tour", "preset": "tour"})
    return Study.objects.get(slug="my-tour")


def running(study: Study) -> str:
    return reverse("admin:studies_study_running", args=[study.pk])


def test_a_new_study_begins_as_a_copy_of_a_preset_under_its_own_name(tour: Study) -> None:
    document = read_document(tour.draft)
    assert (document.study, document.title, tour.state, tour.owner.get_username()) == (
        "my-tour", {"*": "A short tour"}, "draft", "root",
    )  # fmt: skip


def test_the_page_of_a_new_study_offers_every_preset_with_its_title_and_summary(demo_models: None) -> None:
    page = BeautifulSoup(admin_browser().get(reverse("admin:studies_study_add")).content, "html.parser")
    offered = {
        str(radio["value"]): " ".join(radio.find_parent("label").get_text(" ", strip=True).split())
        for radio in page.select("input[type=radio][name=preset]")
    }
    assert list(offered) == preset_names()
    assert offered["tour"] == (
        "A short tour tour Three questions, then one conversation with models whose names you do not see."
    )


def test_prism_takes_the_models_that_are_served_in_turn(demo_models: None) -> None:
    admin_browser().post(reverse("admin:studies_study_add"), {"slug": "p", "preset": "prism"})
    models = read_document(Study.objects.get(slug="p").draft).models
    assert models is not None
    assert [entry.serve for entry in models.pool[:5]] == [
        "demo-formal", "demo-playful", "demo-terse", "demo-warm", "demo-formal",
    ]  # fmt: skip


def test_a_mistake_in_the_draft_is_named_by_its_path_and_nothing_is_saved(tour: Study) -> None:
    broken = tour.draft.replace("count: 1", "count: 0")
    page = admin_browser().post(reverse("admin:studies_study_change", args=[tour.pk]), {"draft": broken})
    assert page.context["adminform"].form.errors["draft"] == ["steps.2.count: 0 is not allowed; it must be at least 1"]
    assert Study.objects.get(pk=tour.pk).draft == tour.draft


def test_publishing_and_opening_lets_people_in_and_stands_in_the_audit_log(tour: Study) -> None:
    browser = admin_browser()
    browser.post(running(tour), {"do": "publish"})
    browser.post(running(tour), {"do": "open"})
    tour.refresh_from_db()
    assert (tour.state, StudyVersion.objects.get(study=tour).number) == ("open", 1)
    assert list(AuditEntry.objects.order_by("pk").values_list("actor", "action")) == [
        ("root", "study.create"), ("root", "study.publish"), ("root", "study.open"),
    ]  # fmt: skip


def test_a_change_that_breaks_the_data_is_shown_and_needs_a_confirmation(tour: Study) -> None:
    browser = admin_browser()
    browser.post(running(tour), {"do": "publish"})
    changed = tour.draft.replace("max: 100", "max: 10")
    browser.post(reverse("admin:studies_study_change", args=[tour.pk]), {"draft": changed})
    shown = browser.get(running(tour)).context["changes"]
    refused = browser.post(running(tour), {"do": "publish"})
    browser.post(running(tour), {"do": "publish", "confirmed": "on"})
    assert [(change.path, bool(change.breaks)) for change in shown] == [("questions.score.scale.max", True)]
    assert refused.status_code == 422
    assert StudyVersion.objects.filter(study=tour).count() == 2


def test_a_published_version_can_be_read_and_not_changed(tour: Study) -> None:
    browser = admin_browser()
    browser.post(running(tour), {"do": "publish"})
    version = StudyVersion.objects.get(study=tour)
    address = reverse("admin:studies_studyversion_change", args=[version.pk])
    assert (browser.get(address).status_code, browser.post(address, {"sha256": "0"}).status_code) == (200, 403)


def test_staff_without_rights_see_no_study_and_change_none(tour: Study) -> None:
    browser = stranger_browser()
    answers = [
        browser.get(reverse("admin:studies_study_changelist")).status_code,
        browser.post(running(tour), {"do": "publish"}).status_code,
        browser.post(reverse("admin:studies_study_add"), {"slug": "x", "preset": "tour"}).status_code,
    ]
    assert answers == [403, 403, 403]
    assert not StudyVersion.objects.exists()


def test_no_two_presets_have_the_same_title() -> None:
    titles = [one.title for one in presets()]
    assert sorted(set(titles)) == sorted(titles)


@pytest.mark.parametrize(("button", "page"), [("_save", "change"), ("_continue", "change"), ("_addanother", "add")])
def test_after_adding_a_study_its_own_page_comes(demo_models: None, button: str, page: str) -> None:
    form = {"slug": "mine", "preset": "tour", button: "Save"}
    answer = admin_browser().post(reverse("admin:studies_study_add"), form)
    made = Study.objects.get(slug="mine")
    assert answer["Location"] == reverse(f"admin:studies_study_{page}", args=[made.pk] if page == "change" else [])


def test_the_page_that_publishes_says_what_is_in_each_set_and_where_the_rest_comes_from() -> None:
    made = study(cards.document())
    document = cards.document()
    sets = {"things": {}, "empty": {}, "filed": {"file": "a.jsonl"}, "written": {"from_step": "cards"}}
    made.draft = written(document | {"item_sets": sets})
    made.save()
    cards.item(made)
    held = cards.item(made)
    Item.objects.filter(pk=held.pk).update(held="empty")
    rows = BeautifulSoup(admin_browser().get(running(made)).content, "html.parser").select("#sets ~ table tbody tr")
    shown = [[" ".join(cell.get_text(" ", strip=True).split()) for cell in row.select("th, td")] for row in rows]
    assert shown == [
        ["things", "2, 1 of them held back", "Import a file"],
        ["empty", "0", "Import a file"],
        ["filed", "0", "come from a.jsonl, when the study is published"],
        ["written", "0", "come from what people write in cards"],
    ]
    upload = f"/admin/items/itemset/upload/?study={made.pk}&name=empty"
    assert [row.a["href"] for row in rows if row.a] == [upload.replace("empty", "things"), upload]


def test_who_signs_in_without_having_been_led_there_comes_to_the_first_page() -> None:
    User.objects.create_superuser("ada", "ada@example.org", "a good password")
    answer = Client().post("/admin/login/", {"username": "ada", "password": "a good password"})
    assert (answer.status_code, answer["Location"]) == (302, "/admin/")
