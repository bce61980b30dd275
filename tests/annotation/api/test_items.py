"""Items come in over the API whole or not at all, and once, however often they are sent."""

import json
from typing import Any

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile
from django.utils import timezone

from annotation.accounts.models import AuditEntry
from annotation.common.errors import DocumentError
from annotation.items.models import Candidate, Item, ItemSet, MediaFile, SetJob
from annotation.items.services.import_runs import run_import
from annotation.studies.models import Study
from annotation.studies.services import publish, save_draft_document
from tests.factories import comparisons
from tests.factories.studies import study
from tests.factories.tokens import Script, researcher, script

pytestmark = pytest.mark.django_db
PAIR: dict[str, Any] = {
    "external_id": "p-1",
    "context": {"messages": [{"role": "user", "content": "Why?"}], "path": ["open", "why"]},
    "tags": {"topic": "why", "levels": [1, 2]},
    "gold": {"score": {"0": 80}},
    "candidates": [
        {"content": {"text": "Because."}, "provenance": {"model": "m-1"}},
        {"content": {"code": {"language": "python", "text": "pass"}}, "context": {"system_message": "Be brief."}},
    ],
}


@pytest.fixture
def made() -> Study:
    return study(comparisons.document())


@pytest.fixture
def loader(made: Study) -> Script:
    return script(researcher(made), "items", study=made)


@pytest.fixture
def rows(loader: Script) -> str:
    return f"item-sets/{loader.send('item-sets/', {'study': 'compare', 'name': 'pairs'}).json()['id']}/items/"


def pair(**changes: Any) -> dict[str, Any]:
    return PAIR | changes


def errors(response: Any) -> dict[str, str]:
    return {error.get("field") or error["path"]: error["text"] for error in response.json()["errors"]}


# -- sets --------------------------------------------------------------------------------------------------------------
def test_a_set_is_made_once_and_given_back_afterwards(loader: Script) -> None:
    body = {"study": "compare", "name": "pairs", "licence": "CC-BY-4.0"}
    both = [loader.send("item-sets/", body) for _ in range(2)]
    assert [one.status_code for one in both] == [200, 200]
    assert both[0].json() == both[1].json()
    assert ItemSet.objects.values_list("name", "licence", "study__slug").get() == ("pairs", "CC-BY-4.0", "compare")


def test_a_set_needs_a_name_and_a_study_that_is_yours(loader: Script) -> None:
    refused = loader.send("item-sets/", {"study": "compare", "name": "1 set"})
    assert (refused.status_code, list(errors(refused))) == (422, ["name"])
    assert loader.send("item-sets/", {"study": "other", "name": "pairs"}).status_code == 404
    assert ItemSet.objects.count() == 0


# -- items -------------------------------------------------------------------------------------------------------------
def test_items_come_in_with_everything_that_they_have(loader: Script, rows: str) -> None:
    answer = loader.send(rows, {"items": [PAIR, pair(external_id="p-2")]}).json()
    item = Item.objects.get(external_id="p-1")
    assert answer["added"] == 2
    assert answer["items"][0] == {"external_id": "p-1", "id": str(item.pk), "new": True}
    assert (item.context, item.tags, item.gold, item.origin) == (
        PAIR["context"], PAIR["tags"], PAIR["gold"], "imported",
    )  # fmt: skip
    assert list(item.candidates.values_list("content", "context", "provenance", "state")) == [
        ({"text": "Because."}, {}, {"model": "m-1"}, "final"),
        ({"code": {"language": "python", "text": "pass"}}, {"system_message": "Be brief."}, {}, "final"),
    ]
    assert [one.ordinal for one in Item.objects.order_by("ordinal")] == [0, 1]
    assert AuditEntry.objects.get(action="items.add").details == {"set": "pairs", "items": 2}


def test_items_that_are_sent_again_change_nothing_and_new_ones_come_behind(loader: Script, rows: str) -> None:
    first = loader.send(rows, {"items": [PAIR]}).json()["items"][0]["id"]
    again = loader.send(rows, {"items": [pair(external_id="p-2"), PAIR]}).json()
    assert [(one["external_id"], one["new"]) for one in again["items"]] == [("p-2", True), ("p-1", False)]
    assert (again["items"][1]["id"], Candidate.objects.count()) == (first, 4)
    assert Item.objects.get(external_id="p-2").ordinal == 1


def test_another_content_under_a_known_id_is_refused_with_everything_beside_it(loader: Script, rows: str) -> None:
    loader.send(rows, {"items": [PAIR]})
    refused = loader.send(rows, {"items": [pair(external_id="p-2"), pair(tags={})]})
    assert (refused.status_code, errors(refused)) == (
        409, {"items.1.external_id": "p-1 is there already, with other content"},
    )  # fmt: skip
    assert Item.objects.count() == 1


@pytest.mark.parametrize(
    ("item", "path"),
    [
        ({"external_id": ""}, "items.0.external_id"),
        ({"external_id": 5}, "items.0.external_id"),
        ({"colour": "red"}, "items.0.colour"),
        ({"candidates": [{"content": {}}]}, "items.0.candidates.0.content"),
        ({"candidates": [{"content": {"text": "x"}}] * 13}, "items.0.candidates"),
        ({"candidates": [{"content": {"text": "x", "model": "m"}}]}, "items.0.candidates.0.content.model"),
        ({"context": {"messages": [{"role": "bot", "content": "x"}]}}, "items.0.context.messages.0.role"),
        ({"context": {}, "candidates": []}, "items.0"),
        ({"context": {"media": [{}]}}, "items.0.context.media.0"),
        (
            {"context": {"media": [{"image": {"media": "7d444840-9dc0-11d1-b245-5ffdce74fad2"}}]}},
            "items.0.context.media.0.image.media",
        ),
    ],
)
def test_what_is_wrong_is_named_by_its_path_and_nothing_comes_in(
    loader: Script, rows: str, item: dict[str, Any], path: str
) -> None:
    refused = loader.send(rows, {"items": [pair(**item), pair(external_id="good")]})
    assert (refused.status_code, list(errors(refused))) == (422, [path])
    assert Item.objects.count() == 0


@pytest.mark.parametrize("body", ["[]", "{", '{"items": []}', '{"items": "\\u0000"}', "[" * 5000, '{"items": NaN}'])
def test_a_body_that_is_no_list_of_items_is_refused(loader: Script, rows: str, body: str) -> None:
    refused = loader.post(f"/api/v1/{rows}", body, content_type="application/json")
    assert refused.status_code in {400, 422}
    assert refused["Content-Type"] == "application/problem+json"


def test_a_body_over_the_limit_is_refused_unread(loader: Script, rows: str, settings: Any) -> None:
    settings.DATA_UPLOAD_MAX_MEMORY_SIZE = 100
    assert loader.send(rows, {"items": [PAIR]}).status_code == 413


def test_the_same_id_twice_in_one_request_is_refused(loader: Script, rows: str) -> None:
    refused = loader.send(rows, {"items": [PAIR, PAIR]})
    assert errors(refused) == {"items.1.external_id": "p-1 stands there twice"}


def test_a_candidate_shows_a_file_of_its_own_set_by_id(loader: Script, rows: str) -> None:
    file = MediaFile.objects.create(
        item_set=ItemSet.objects.get(), kind="image", name="a.png", content_type="image/png", sha256="a" * 64, bytes=1,
        created_at=timezone.now(),
    )  # fmt: skip
    shown = {"image": {"media": str(file.pk), "alt": "A cat"}}
    answer = loader.send(rows, {"items": [pair(candidates=[{"content": shown}])]})
    assert (answer.status_code, Candidate.objects.get().content) == (200, shown)


def test_careless_candidates_are_held_until_somebody_looks(loader: Script, rows: str) -> None:
    loader.send(rows, {"items": [pair(candidates=[{"content": {"text": "So <|im_end|>"}}])]})
    assert (Candidate.objects.get().flags, Item.objects.get().held) == (["stray_token"], "stray_token")


# -- files -------------------------------------------------------------------------------------------------------------
def send_file(loader: Script, rows: str, lines: list[dict[str, str]]) -> Any:
    content = "\n".join(json.dumps(line) for line in lines).encode()
    return loader.post(
        f"/api/v1/{rows.replace('items/', 'uploads/')}", {"file": SimpleUploadedFile("a.jsonl", content)}
    )


LINES = [{"id": f"r{number}", "prompt": "Why?", "response_a": "So.", "response_b": "Thus."} for number in range(3)]


def test_a_file_is_sent_checked_and_imported(loader: Script, rows: str) -> None:
    sent = send_file(loader, rows, LINES)
    job = sent.json()
    assert (sent.status_code, job["state"], job["file"]) == (201, "uploaded", "a.jsonl")
    assert job["mapping"]["response_b"] == "B.text"
    assert loader.send(f"set-jobs/{job['id']}/import/").status_code == 409
    for verb, state in (("check", "checked"), ("import", "done")):
        assert loader.send(f"set-jobs/{job['id']}/{verb}/").status_code == 202
        run_import(job_id=job["id"], clock=timezone.now)
        assert loader.ask(f"set-jobs/{job['id']}/").json()["state"] == state
    assert [row["external_id"] for row in loader.ask(rows).json()["results"]] == ["r0", "r1", "r2"]


def test_a_mapping_that_fits_no_column_is_refused_by_name(loader: Script, rows: str) -> None:
    job = send_file(loader, rows, LINES).json()
    refused = loader.send(f"set-jobs/{job['id']}/check/", {"mapping": {"colour": "messages"}})
    assert (refused.status_code, list(errors(refused))) == (422, ["colour"])


def test_rows_that_are_wrong_are_listed_by_line(loader: Script, rows: str) -> None:
    job = send_file(loader, rows, [*LINES, LINES[0]]).json()
    mapping = {"id": "external_id", "prompt": "messages", "response_a": "A.text", "response_b": "B.text"}
    loader.send(f"set-jobs/{job['id']}/check/", {"mapping": mapping})
    run_import(job_id=job["id"], clock=timezone.now)
    report = loader.ask(f"set-jobs/{job['id']}/").json()["report"]
    assert (report["wrong"], report["problems"][0]["line"]) == (1, 4)
    assert loader.send(f"set-jobs/{job['id']}/import/").status_code == 409


def test_a_generation_is_nothing_to_import(loader: Script, rows: str) -> None:
    job = SetJob.objects.create(item_set=ItemSet.objects.get(), kind="generation", created_at=timezone.now())
    assert [loader.send(f"set-jobs/{job.pk}/{verb}/").status_code for verb in ("check", "import")] == [404, 404]


def test_a_job_is_cancelled(loader: Script, rows: str) -> None:
    job = send_file(loader, rows, LINES).json()
    assert loader.send(f"set-jobs/{job['id']}/cancel/").json()["state"] == "cancelled"


def test_an_upload_without_a_readable_file_is_refused(loader: Script, rows: str) -> None:
    path = f"/api/v1/{rows.replace('items/', 'uploads/')}"
    nothing = loader.post(path, {})
    unreadable = loader.post(path, {"file": SimpleUploadedFile("a.xyz", b"\x00\x01")})
    assert [one.status_code for one in (nothing, unreadable)] == [422, 422]
    assert loader.post(path, {}, content_type="application/json").status_code == 415


# -- what cannot be kept, and what is sent twice -----------------------------------------------------------------------
def test_a_number_that_is_endless_is_named_by_its_path(loader: Script, rows: str) -> None:
    body = json.dumps({"items": [pair(tags={"n": 1.5}, gold={"score": [0.5, 2]})]})
    odd = body.replace("1.5", "1e999").replace("0.5", "-1e999")
    refused = loader.post(f"/api/v1/{rows}", odd, content_type="application/json")
    assert (refused.status_code, errors(refused)) == (
        422,
        {"items.0.tags.n": "This number is too large.", "items.0.gold.score.0": "This number is too large."},
    )
    assert Item.objects.count() == 0


def test_a_file_that_is_sent_again_under_its_key_makes_one_job(loader: Script, rows: str) -> None:
    def send(text: bytes) -> Any:
        file = SimpleUploadedFile("rows.csv", text)
        return loader.post(uploads, {"file": file}, headers={"Idempotency-Key": "u-1"})

    uploads = f"/api/v1/{rows.removesuffix('items/')}uploads/"
    first, again, other = send(b"id,prompt\n1,Why?\n"), send(b"id,prompt\n1,Why?\n"), send(b"id,prompt\n2,How?\n")
    assert [one.status_code for one in (first, again, other)] == [201, 201, 409]
    assert (first.json(), SetJob.objects.count()) == (again.json(), 1)
    both = [loader.send(rows, {"items": [PAIR]}, key="i-1").json() for _ in range(2)]
    assert (both[0]["items"][0]["new"], both[1]) == (True, both[0])


def test_a_right_answer_that_nobody_could_give_is_refused_when_it_comes_and_when_the_study_is_published(
    loader: Script, rows: str, made: Study
) -> None:
    odd = [{"no_such_question": 1}, {"score": {"0": 500}}, {"score": {"2": 5}}, {"score": 5}, {"chosen": 0}]
    sent = {"items": [pair(external_id=f"g-{number}", gold=gold) for number, gold in enumerate(odd)]}
    refused = loader.send(rows, sent)
    assert (refused.status_code, errors(refused)) == (
        422,
        {
            "items.0.gold.no_such_question": (
                "no_such_question is not asked about what this set shows; allowed are score"
            ),
            "items.1.gold.score": "500 is no answer on the scale",
            "items.2.gold.score": "2 is not allowed; a candidate is named by its position, from 0 to 1",
            "items.3.gold.score": "5 is not allowed; give position → value, or a list of 2 values",
            "items.4.gold.chosen": "no protocol of this set has a choice",
        },
    )
    fine = [{"score": {"0": "5"}}, {"score": [1, [2, 3]]}, {"score": [{"0": 1}, {"0": 2}]}]
    sent = {"items": [pair(external_id=f"f-{number}", gold=gold) for number, gold in enumerate(fine)]}
    assert loader.send(rows, sent).json()["added"] == 3
    text = json.dumps(comparisons.document(step={"protocol": "alike"}))
    save_draft_document(study=made, text=text, actor="ada", now=timezone.now())
    with pytest.raises(DocumentError) as caught:
        publish(study=made, actor="ada", now=timezone.now())
    assert caught.value.problems[0] == (
        "item_sets.pairs",
        "f-0 has a right answer to score: score is not asked about what this set shows; allowed are agree",
    )
