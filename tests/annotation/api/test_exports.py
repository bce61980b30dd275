"""Releases that a script asks for, waits for and fetches; an AI judge's answers are in them, marked by their kind."""

import json
from pathlib import Path
from typing import Any

import pytest
from django.utils import timezone

from annotation.accounts.models import AuditEntry
from annotation.exports.models import ExportRun
from annotation.exports.services import run_export
from annotation.studies.models import Study
from tests.factories import comparisons
from tests.factories.studies import SMALL
from tests.factories.tokens import Script, researcher, script

pytestmark = pytest.mark.django_db
BODY = {"study": "compare", "layout": "raw_votes", "writers": ["jsonl"]}


@pytest.fixture(autouse=True)
def _folder(settings: Any, tmp_path: Path) -> None:
    settings.EXPORTS_DIR = tmp_path


@pytest.fixture
def made() -> Study:
    """A study to which people have to agree; nobody has."""
    steps = [{"consent": "c1"}, *comparisons.document()["steps"]]
    study = comparisons.comparing(items=2, consent=SMALL["consent"], steps=steps)
    researcher(study)
    return study


@pytest.fixture
def exporter(made: Study) -> Script:
    return script(made.owner, "export", study=made)


def judge_everything(made: Study) -> None:
    who = script(made.owner, "judge", study=made)
    while (card := who.send("assignments/lease/")).status_code == 200:
        place = card.json()["assignment"]
        fields = {"A-score": 70, "B-score": 20}
        assert who.send(f"assignments/{place}/submit/", {"fields": fields}, key=place).status_code == 201


def finished(exporter: Script, **changes: Any) -> dict[str, Any]:
    asked = exporter.send("exports/", BODY | changes)
    assert (asked.status_code, asked.json()["state"]) == (202, "queued")
    run_export(ExportRun.objects.get(pk=asked.json()["id"]).pk, now=timezone.now)
    return dict(exporter.ask(f"exports/{asked.json()['id']}/").json())


def fetched(exporter: Script, run: dict[str, Any], name: str) -> bytes:
    response = exporter.ask(f"exports/{run['id']}/files/{name}")
    assert response.status_code == 200
    return b"".join(response.streaming_content)


def test_a_judges_answers_are_in_a_release_though_it_agreed_to_nothing(made: Study, exporter: Script) -> None:
    judge_everything(made)
    run = finished(exporter)
    (file,) = [one for one in run["files"] if one["rows"]]
    rows = [json.loads(line) for line in fetched(exporter, run, file["name"]).splitlines()]
    assert (run["state"], run["error"], len(rows), {row["annotator_kind"] for row in rows}) == (
        "done", "", file["rows"], {"ai"},
    )  # fmt: skip


def test_people_who_agreed_to_nothing_stay_out_beside_it(made: Study, exporter: Script) -> None:
    judge_everything(made)
    comparisons.judge_all(comparisons.person(made))
    run = finished(exporter)
    (file,) = [one for one in run["files"] if one["rows"]]
    kinds = [json.loads(line)["annotator_kind"] for line in fetched(exporter, run, file["name"]).splitlines()]
    assert set(kinds) == {"ai"}


def test_a_files_hash_is_that_of_the_manifest_and_its_download_is_noted(made: Study, exporter: Script) -> None:
    run = finished(exporter)
    manifest = json.loads(fetched(exporter, run, "manifest.json"))
    assert [one["sha256"] for one in run["files"]] == [one["sha256"] for one in manifest["files"]]
    noted = AuditEntry.objects.get(action="downloaded")
    assert (noted.actor.startswith("token pv_"), noted.details) == (True, {"file": "manifest.json"})


def test_what_is_no_file_of_the_release_does_not_exist(exporter: Script) -> None:
    run = finished(exporter)
    for name in ("nothing.jsonl", "..%2F..%2Fdb.sqlite3", "%2e%2e"):
        assert exporter.ask(f"exports/{run['id']}/files/{name}").status_code == 404


def test_the_same_request_under_one_key_is_one_release_and_another_is_refused(exporter: Script) -> None:
    both = [exporter.send("exports/", BODY, key="nightly") for _ in range(2)]
    assert both[0].json() == both[1].json()
    assert exporter.send("exports/", BODY | {"layout": "listwise"}, key="nightly").status_code == 409
    assert ExportRun.objects.count() == 1


def test_a_refused_request_leaves_its_key_free(exporter: Script) -> None:
    assert exporter.send("exports/", BODY | {"options": {"colour": "red"}}, key="k").status_code == 400
    assert exporter.send("exports/", BODY, key="k").status_code == 202


def test_options_that_a_run_could_not_use_are_refused_when_they_are_asked_for(exporter: Script) -> None:
    odd = [("unpaired_preference", {"wanted_from": "abc"}), ("helpsteer2", {"attributes": "helpfulness,tone"})]
    odd.append(("helpsteer2_preference", {"validation": 2}))
    said = [exporter.send("exports/", BODY | {"layout": name, "options": options}) for name, options in odd]
    assert [(one.status_code, one.json()["detail"]) for one in said] == [
        (400, "unpaired_preference: wanted_from is 'abc'; allowed is a number."),
        (400, "helpsteer2: attributes is 'helpfulness,tone'; allowed is five names, with commas between them."),
        (400, "helpsteer2_preference: validation is 2; allowed is a share from 0 to below 1."),
    ]


def test_options_of_a_layout_are_frozen_in_the_run(exporter: Script) -> None:
    run = exporter.send("exports/", BODY | {"options": {"judges": "ai"}})
    assert run.json()["options"]["judges"] == "ai"
