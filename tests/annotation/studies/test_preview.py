"""The preview: every page of a draft, for staff, with nothing stored."""

from pathlib import Path
from typing import Any

import pytest
import yaml
from bs4 import BeautifulSoup
from django.core.management import call_command
from django.test import Client
from django.utils import timezone

from annotation.accounts.models import User
from annotation.studies import services
from annotation.studies.loading import checked, preset_names, read_source, written
from annotation.studies.preview import Place, places, write_preview
from tests.annotation.studies.documents import document
from tests.factories import cards, studies

BILINGUAL: dict[str, Any] = document(
    languages=["en", "ar"], title={"en": "A study", "ar": "دراسة"}, consent=document()["consent"]
)


@pytest.fixture
def study() -> str:
    draft = yaml.safe_dump(BILINGUAL, sort_keys=False, allow_unicode=True)
    return services.create_study(slug="small", draft=draft, actor="ada", now=timezone.now()).slug


@pytest.fixture
def staff(db: None) -> Client:
    client = Client()
    client.force_login(User.objects.create_superuser("ada"))
    return client


def test_every_page_of_every_step_is_a_place() -> None:
    assert places(checked(document())) == [
        Place("c-1", 0),
        Place("survey", 0),
        Place("chats", 0),
        Place("chats", 1),
        Place("chats", 2),
        Place("debrief", 0),
    ]


@pytest.mark.parametrize("name", preset_names())
def test_preset_is_written_as_one_file_a_page_without_addresses_of_the_site(name: str, tmp_path: Path) -> None:
    parsed = checked(read_source(name))
    written = write_preview(parsed, tmp_path)
    assert [path.name for path in written] == [f"en-{place.step}-{place.page}.html" for place in places(parsed)]
    pages = {path.name: path.read_text("utf-8") for path in [*written, tmp_path / "index.html"]}
    assert [page for page, html in pages.items() if '"/static/' in html] == []
    assert (tmp_path / "static" / "css" / "questions.css").is_file()


@pytest.mark.django_db
def test_command_writes_the_pages_of_a_preset(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    call_command("study", "preview", "tour", "--out", str(tmp_path))
    assert capsys.readouterr().out == f"5 pages are in {tmp_path}; begin with index.html.\n"


@pytest.mark.django_db
def test_staff_sees_every_page_of_a_draft_in_every_language(staff: Client, study: str) -> None:
    first = staff.get(f"/studies/preview/{study}/")
    assert (first.status_code, first["Location"]) == (302, f"/studies/preview/{study}/c-1/0/")
    statuses = {
        (place.step, place.page, language): staff.get(
            f"/studies/preview/{study}/{place.step}/{place.page}/?lang={language}"
        ).status_code
        for place in places(checked(BILINGUAL))
        for language in ("en", "ar")
    }
    assert set(statuses.values()) == {200}
    arabic = staff.get(f"/studies/preview/{study}/survey/0/?lang=ar").content.decode()
    assert '<html lang="ar" dir="rtl">' in arabic


@pytest.mark.django_db
def test_question_that_depends_on_an_earlier_page_is_shown_with_its_condition(staff: Client) -> None:
    steps = document()["steps"]
    steps[1]["pages"] = [["use"], ["often"]]
    draft = yaml.safe_dump(document(steps=steps), sort_keys=False)
    services.create_study(slug="small", draft=draft, actor="ada", now=timezone.now())
    html = staff.get("/studies/preview/small/survey/1/").content.decode()
    assert "Shown only where use is Yes:" in html
    assert 'id="question-often"' in html


@pytest.mark.django_db
@pytest.mark.parametrize("address", ["nothing/c-1/0/", "small/c-9/0/", "small/c-1/7/", "small/c-1/0/?lang=fr"])
def test_page_that_is_not_there_is_not_found(staff: Client, study: str, address: str) -> None:
    assert staff.get(f"/studies/preview/{address}").status_code == 404


@pytest.mark.django_db
def test_preview_is_for_staff_who_may_see_studies(study: str) -> None:
    address = f"/studies/preview/{study}/survey/0/"
    visitor, helper = Client(), Client()
    helper.force_login(User.objects.create_user("bob", is_staff=True))
    person = Client()
    person.force_login(User.objects.create_user("eve"))
    assert visitor.get(address)["Location"] == f"/admin/login/?next={address}"
    assert person.get(address).status_code == 302
    assert helper.get(address).status_code == 404
    assert visitor.post(address).status_code == 405


@pytest.mark.django_db
def test_a_card_shows_an_item_of_the_set_where_there_is_one_and_a_made_up_one_else(staff: Client) -> None:
    made = studies.study(cards.document(protocol={"before": ["goal"], "per_candidate": ["score"]}))
    made.draft = written(cards.document(protocol={"before": ["goal"], "per_candidate": ["score"]}))
    made.save()
    address = "/studies/preview/pairs/cards/2/"
    assert "Here stands one of the things that are judged." in staff.get(address).content.decode()
    cards.item(made)
    page = BeautifulSoup(staff.get(address).content, "html.parser")
    assert [one.get_text(strip=True) for one in page.select(".answer-html")] == ["First words 0.", "Other words 0."]
    assert [one["data-question"] for one in page.select("[data-question]")] == ["A-score", "B-score", "why"]
    assert "secret-model" not in str(page)
    before = BeautifulSoup(staff.get("/studies/preview/pairs/cards/1/").content, "html.parser")
    assert [one["data-question"] for one in before.select("[data-question]")] == ["goal"]


@pytest.mark.django_db
def test_a_card_of_pictures_shows_them_from_where_staff_may_fetch_them(staff: Client) -> None:
    made = studies.study(cards.document(protocol={"arrangement": "grid"}))
    made.draft = written(cards.document(protocol={"arrangement": "grid"}))
    made.save()
    files = [cards.picture(made, name) for name in ("red", "blue")]
    cards.item(made, [{"image": {"media": str(one.pk), "alt": one.name}} for one in files])
    page = BeautifulSoup(staff.get("/studies/preview/pairs/cards/1/").content, "html.parser")
    assert [(one["src"], one["alt"]) for one in page.select(".answer img")] == [
        (f"/admin/items/itemset/media/{one.pk}/", one.name) for one in files
    ]


@pytest.mark.django_db
def test_training_is_shown_slide_by_slide_and_its_quiz_with_what_is_right(staff: Client) -> None:
    document = cards.document()
    quiz = [{"question": "goal", "correct": ["Truth"]}]
    document["steps"].insert(0, {"training": "course", "slides": [{"title": "One", "text": "Read."}], "quiz": quiz})
    services.create_study(slug="pairs", draft=written(document), actor="ada", now=timezone.now())
    pages = [BeautifulSoup(staff.get(f"/studies/preview/pairs/course/{n}/").content, "html.parser") for n in (0, 1)]
    assert pages[0].h1.get_text(strip=True) == "One"
    assert [one.get_text(strip=True) for one in pages[1].select(".prose li")] == ["goal: Truth"]
