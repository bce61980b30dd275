"""A researcher brings items by hand: send a file, see what the columns are taken for, try it, import it."""

import re
from pathlib import Path
from typing import Any

import pytest
from django.contrib.auth.models import Permission
from django.core.files.uploadedfile import SimpleUploadedFile
from django.test import Client

from annotation.accounts.models import AuditEntry, User
from annotation.items.models import Item, ItemSet, MediaFile, SetJob
from annotation.studies.loading import written
from tests.factories import cards
from tests.factories.item_files import empty_set, imported, jsonl, pair, png, ran, zip_bytes
from tests.factories.staff import admin_browser
from tests.factories.studies import study

pytestmark = pytest.mark.django_db
UPLOAD = "/admin/items/itemset/upload/"


@pytest.fixture(autouse=True)
def _places(tmp_path: Path, settings: Any) -> None:
    settings.IMPORTS_DIR, settings.MEDIA_ROOT = tmp_path / "imports", tmp_path / "media"


def researcher(name: str) -> User:
    user = User.objects.create_user(name, f"{name}@example.org", "a good password", is_staff=True)
    user.user_permissions.set(Permission.objects.filter(content_type__app_label__in=["items", "studies"]))
    return user


def signed_in(user: User) -> Client:
    client = Client()
    client.force_login(user)
    return client


def text(response: Any) -> str:
    """What stands on the page, without its marks."""
    return re.sub(r"\s+", " ", re.sub(r"<[^>]+>", " ", response.content.decode().split('id="set-job"')[-1]))


def sent(client: Client, rows: list[Any], tmp_path: Path) -> SetJob:
    made = study()
    content = jsonl(tmp_path / "rows.jsonl", rows).read_bytes()
    file = SimpleUploadedFile("rows.jsonl", content)
    answer = client.post(UPLOAD, {"study": made.pk, "name": "pairs", "licence": "CC0", "file": file})
    job = SetJob.objects.get()
    assert (answer.status_code, answer["Location"]) == (302, address(job))
    return job


def address(job: SetJob) -> str:
    return f"/admin/items/setjob/{job.pk}/change/"


def uses(job: SetJob, **changes: str) -> dict[str, str]:
    mapping = job.options["mapping"] | changes
    return {f"use_{number}": mapping.get(path, "") for number, (path, _, _) in enumerate(job.options["columns"])}


def test_a_file_goes_by_hand_from_the_upload_to_items(tmp_path: Path) -> None:
    client = admin_browser()
    job = sent(client, [pair(number) for number in range(3)], tmp_path)
    page = client.get(address(job)).content.decode()
    proposed = re.findall(r'<input type="text" name="use_\d" value="([^"]*)"', page)
    assert proposed == ["external_id", "messages", "A.text", "B.text"]

    assert client.post(address(job), {"do": "check"} | uses(job)).status_code == 302
    assert 'hx-trigger="every 2s"' in client.get(address(job)).content.decode()
    ran(job)
    shown = text(client.get(address(job)))
    assert "New items 3 Changed 0 As before 0 Candidates 6 Wrong 0 Import 3 items" in shown
    assert "user Question 0? A Yes 0." in shown

    assert client.post(address(job), {"do": "import"}).status_code == 302
    ran(job)
    assert "Look at the items" in text(client.get(address(job)))
    assert (ItemSet.objects.get().licence, Item.objects.count()) == ("CC0", 3)
    actions = list(AuditEntry.objects.filter(action__startswith="items.").values_list("action", "actor"))
    assert sorted(actions) == [("items.import", "root"), ("items.upload", "root")]


def test_wrong_rows_are_listed_by_line_and_can_be_downloaded_and_nothing_can_be_imported(tmp_path: Path) -> None:
    client = admin_browser()
    job = sent(client, [pair(1), "{broken", pair(2, response_a="=1+1\0")], tmp_path)
    client.post(address(job), {"do": "check"} | uses(job))
    ran(job)
    shown = text(client.get(address(job)))
    assert "3 response_a holds a character that is no text (NUL or half of a pair)" in shown
    assert "Import 1 items" not in shown
    lines = client.get(f"/admin/items/setjob/{job.pk}/errors.csv").content.decode().splitlines()
    assert lines[0] == "file,line,column,what is wrong"
    assert [line.split(",")[1:3] for line in lines[1:]] == [["2", ""], ["3", "response_a"]]
    client.post(address(job), {"do": "import"})
    assert (ran(job).state, Item.objects.count()) == ("checked", 0)


def test_a_mistake_in_the_mapping_stands_beside_its_column(tmp_path: Path) -> None:
    client = admin_browser()
    job = sent(client, [pair(1)], tmp_path)
    answer = client.post(address(job), {"do": "check"} | uses(job, prompt="A.txt"))
    assert (answer.status_code, SetJob.objects.get().state) == (422, "uploaded")
    beside = re.search(r'value="A.txt".*?role="alert">(A.txt is not allowed)', answer.content.decode(), re.DOTALL)
    assert beside is not None


def test_a_file_that_cannot_be_read_comes_back_as_a_mistake_of_the_form() -> None:
    file = SimpleUploadedFile("a.bin", b"\x7fELF\0")
    answer = admin_browser().post(UPLOAD, {"study": study().pk, "name": "pairs", "file": file})
    assert (answer.status_code, SetJob.objects.count()) == (422, 0)
    assert "This is no kind of file that can be read" in answer.content.decode()


def test_an_import_can_be_cancelled_before_it_runs(tmp_path: Path) -> None:
    client = admin_browser()
    job = sent(client, [pair(1)], tmp_path)
    client.post(address(job), {"do": "check"} | uses(job))
    client.post(address(job), {"do": "cancel"})
    assert ran(job).state == "cancelled"
    assert client.post(address(job), {"do": "check"} | uses(job)).status_code == 302
    assert ran(job).state == "checked"


def test_researchers_see_the_sets_and_jobs_of_their_own_studies_only(tmp_path: Path) -> None:
    ann, bob = researcher("ann"), researcher("bob")
    made = study()
    made.owner = ann
    made.save()
    job = imported(jsonl(tmp_path / "a.jsonl", [pair(1)]))
    item = Item.objects.get()
    pages = [
        f"/admin/items/itemset/{job.item_set_id}/change/", address(job), f"/admin/items/item/{item.pk}/change/",
        f"/admin/items/setjob/{job.pk}/errors.csv",
    ]  # fmt: skip
    assert [signed_in(ann).get(page).status_code for page in pages] == [200, 200, 200, 200]
    assert [signed_in(bob).get(page).status_code for page in pages] == [302, 404, 404, 404]
    assert signed_in(bob).post(address(job), {"do": "cancel"}).status_code == 404
    file = SimpleUploadedFile("rows.jsonl", b'{"prompt": "x"}')
    refused = signed_in(bob).post(UPLOAD, {"study": made.pk, "name": "pairs", "file": file})
    assert (refused.status_code, SetJob.objects.count()) == (422, 1)


def test_held_items_are_released_and_their_flags_stay(tmp_path: Path) -> None:
    imported(jsonl(tmp_path / "a.jsonl", [pair(1, response_a=" "), pair(2)]))
    held = Item.objects.get(external_id="p1")
    assert held.held == "empty"
    form = {"action": "release", "_selected_action": [str(held.pk)]}
    assert admin_browser().post("/admin/items/item/", form).status_code == 302
    held.refresh_from_db()
    assert (held.held, [one.flags for one in held.candidates.all()]) == ("", [["empty"], []])
    entry = AuditEntry.objects.get(action="items.release")
    assert (entry.actor, entry.details) == ("root", {"set": "pairs", "items": 1})


def test_a_researcher_cannot_release_what_belongs_to_another_study(tmp_path: Path) -> None:
    imported(jsonl(tmp_path / "a.jsonl", [pair(1, response_a=" ")]))
    form = {"action": "release", "_selected_action": [str(Item.objects.get().pk)]}
    signed_in(researcher("bob")).post("/admin/items/item/", form)
    assert Item.objects.get().held == "empty"


def test_an_item_is_shown_with_its_images_which_only_its_staff_can_fetch(tmp_path: Path) -> None:
    rows = b'{"id": "1", "prompt": "Which?", "image_a": "a.png", "image_b": "a.png"}\n'
    (tmp_path / "set.zip").write_bytes(zip_bytes({"rows.jsonl": rows, "a.png": png()}))
    imported(tmp_path / "set.zip", empty_set("images"))
    media = f"/admin/items/itemset/media/{MediaFile.objects.get().pk}/"
    page = admin_browser().get(f"/admin/items/item/{Item.objects.get().pk}/change/").content.decode()
    assert page.count(f'src="{media}"') == 2
    answer = admin_browser().get(media)
    assert (answer["Content-Type"], b"".join(answer.streaming_content)) == ("image/png", png())  # type: ignore[attr-defined]  # it streams
    assert signed_in(researcher("bob")).get(media).status_code == 404


def test_text_of_candidates_is_shown_as_text_and_never_run(tmp_path: Path) -> None:
    attack = "<script>alert(1)</script><img src=x onerror=alert(1)>"
    rows = [pair(1, prompt=attack, response_a=attack, response_b="fine", source=attack)]
    job = imported(jsonl(tmp_path / "a.jsonl", rows))
    SetJob.objects.filter(pk=job.pk).update(report=job.report | {"error": attack})
    client = admin_browser()
    for page in (f"/admin/items/item/{Item.objects.get().pk}/change/", address(job)):
        html = client.get(page).content.decode()
        assert ("<script>alert" in html, "<img src=x" in html) == (False, False)


@pytest.mark.parametrize("count", [1, 30])
def test_the_list_of_sets_asks_as_often_for_one_as_for_thirty(count: int, django_assert_num_queries: Any) -> None:
    client, made = admin_browser(), study()
    for number in range(count):
        empty_set(f"set{number}", made)
    client.get("/admin/items/itemset/")
    with django_assert_num_queries(5):
        client.get("/admin/items/itemset/")


def named(page: str) -> list[tuple[str, str]]:
    """What is offered as the name of a set, with the study's number."""
    return re.findall(r'<option value="(\w+)" data-study="(\d+)">', page)


def test_the_upload_offers_the_sets_that_own_studies_name_or_have(tmp_path: Path) -> None:
    ann = researcher("ann")
    mine, other = study(cards.document()), study()
    mine.owner = ann
    mine.draft = written(cards.document(item_sets={"things": {}, "more_things": {}}))
    mine.save()
    ItemSet.objects.create(study=mine, name="old")
    ItemSet.objects.create(study=other, name="theirs")
    offered = [("things", str(mine.pk)), ("more_things", str(mine.pk)), ("old", str(mine.pk))]
    assert named(signed_in(ann).get(UPLOAD).content.decode()) == offered
    assert named(admin_browser().get(UPLOAD).content.decode()) == [*offered, ("theirs", str(other.pk))]


def test_a_column_with_repeated_ids_says_why_it_is_left_out(tmp_path: Path) -> None:
    client = admin_browser()
    job = sent(client, [pair(1), pair(1, prompt="Another question?")], tmp_path)
    assert "its values repeat (p1 stands in 2 rows)" in text(client.get(address(job)))


@pytest.mark.parametrize(
    ("draft", "published", "state", "labels"),
    [
        ([], [], "draft", ["Edit the document", "Look at the items"]),
        (["pairs"], [], "draft", ["Preview a card", "Publish the study", "Look at the items"]),
        (["pairs"], ["pairs"], "draft", ["See the places", "Let people in", "Preview a card", "Look at the items"]),
        (["pairs"], ["pairs"], "open", ["See the places", "Preview a card", "Look at the items"]),
    ],
)
def test_an_import_that_is_done_says_what_comes_next(
    tmp_path: Path, draft: list[str], published: list[str], state: str, labels: list[str]
) -> None:
    made = study(cards.document(item_sets={name: {} for name in ("things", *published)}), state=state)
    made.draft = written(cards.document(item_sets={name: {} for name in ("things", *draft)}))
    made.save()
    job = imported(jsonl(tmp_path / "a.jsonl", [pair(1)]), empty_set(of=made))
    page = admin_browser().get(address(job)).content.decode()
    links = re.findall(r'<a href="([^"]+)">([^<]+)</a></li>', page.split('id="next"')[1])
    assert [label for _, label in links] == labels
    assert [admin_browser().get(link, follow=True).status_code for link, _ in links] == [200] * len(labels)


def test_what_comes_next_leads_to_a_card_of_the_step_that_shows_the_set(tmp_path: Path) -> None:
    made = study(cards.document())
    made.draft = written(cards.document())
    made.save()
    job = imported(jsonl(tmp_path / "a.jsonl", [pair(7)]), empty_set("things", of=made))
    link = re.search(r'<a href="([^"]+)">Preview a card', admin_browser().get(address(job)).content.decode())
    assert link is not None
    card = admin_browser().get(link[1]).content.decode()
    assert link[1] == "/studies/preview/pairs/cards/1/"
    assert [word for word in ("Question 7?", "Yes 7.", "No, never.") if word not in card] == []
