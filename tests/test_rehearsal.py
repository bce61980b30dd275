"""PRISM rehearsed by bots over HTTP, released, imported into an empty database and released again."""

import json
from collections import Counter
from pathlib import Path
from typing import Any

import pytest
from django.core.management import call_command
from django.utils import timezone

from annotation.conversations.models import Conversation, Turn
from annotation.exports.delivery import export_to
from annotation.exports.importing.prism import FILES, import_release
from annotation.exports.layouts import layout_named
from annotation.exports.reading import Reading
from annotation.exports.release import file_sha256
from annotation.exports.validation import refuse_broken, written_folder
from annotation.items.models import Candidate, Generation
from annotation.judgements.models import Judgement
from annotation.participation.models import Participation
from annotation.participation.rehearsal.bot import Journey
from annotation.participation.rehearsal.run import Rehearsal
from annotation.studies.models import Study
from annotation.studies.queries import document_of
from annotation.studies.services import open_study, publish, save_source
from models_serving.catalog.models import ModelRevision, ServedModel
from tests.conftest import LiveSite

BOTS, TALKS = 3, 6
VOICES = {
    "terse": "Yes, at turn {turn}.",
    "warm": "What a kind thought! Of course, and gladly so.",
    "formal": "It is, on balance, advisable to proceed with care.",
    "playful": "Hop, skip, **jump**! Who would have guessed?",
}
WRITERS = ["jsonl", "parquet", "csv"]
Rows = dict[str, list[dict[str, Any]]]


@pytest.fixture
def study(live_site: LiveSite) -> Study:
    for voice, text in VOICES.items():
        ServedModel.objects.create(
            name=f"demo-{voice}", served_name=f"weights-of-{voice}", backend="scripted", options={"text": text}
        )
    now = timezone.now()
    made = save_source(slug="prism-demo", tree={"extends": "prism_demo"}, actor="test", now=now)
    publish(study=made, actor="test", now=now)
    open_study(study=made, actor="test", now=now)
    return Study.objects.select_related("current").get(pk=made.pk)


def test_bots_go_from_the_link_to_the_code_and_their_data_goes_out_and_in_again(
    live_site: LiveSite, study: Study, tmp_path: Path, settings: Any
) -> None:
    settings.EXPORTS_DIR = tmp_path / "exports"
    kept = tmp_path / "kept"
    journeys = rehearse(live_site, study, kept)
    assert [(one.error, one.end, one.code) for one in journeys] == [("", "completed", "PRISM-DEMO")] * BOTS
    nothing_names_a_model(kept)
    first = released(tmp_path / "first", rehearsal=True)
    rows = {table: lines(first, table) for table in FILES}
    the_release_is_what_the_database_holds(study, first, rows)
    the_validator_finds_nothing(study, first)
    comes_back_the_same_from_an_empty_database(first, tmp_path)


def rehearse(live_site: LiveSite, study: Study, kept: Path) -> list[Journey]:
    assert study.current is not None
    kept.mkdir()
    rehearsal = Rehearsal(document_of(study.current), live_site.url, BOTS, seed=1, at_once=BOTS, keep_in=kept)
    return list(rehearsal.run())


def released(folder: Path, *, rehearsal: bool) -> Path:
    export_to(folder, slug="prism-demo", layout="prism", writers=WRITERS, rehearsal=rehearsal, now=timezone.now)
    return folder


def lines(folder: Path, table: str) -> list[dict[str, Any]]:
    return [json.loads(line) for line in (folder / f"{table}.jsonl").read_text(encoding="utf-8").split("\n") if line]


def nothing_names_a_model(kept: Path) -> None:
    """I5, over every page, event, redirect and header that the bots were sent."""
    received = {file.name: file.read_text(encoding="utf-8") for file in kept.iterdir()}
    streams = [text for name, text in received.items() if name.endswith(".events")]
    # an answer that was complete before its page was asked for needs no stream
    assert 0 < len(streams) <= Turn.objects.count()
    assert all("event: ready" in text and "content-type: text/event-stream" in text for text in streams)
    names = [name for pair in ServedModel.objects.values_list("name", "served_name") for name in pair]
    prints = list(ModelRevision.objects.values_list("fingerprint", flat=True))
    assert (len(names), len(prints)) == (2 * len(VOICES), len(VOICES))
    secrets = [*names, *prints, *(one[:12] for one in prints), "scripted", "served_model", "pool_entry"]
    said = [(name, secret) for name, text in received.items() for secret in secrets if secret in text.lower()]
    assert said == []


def the_release_is_what_the_database_holds(study: Study, folder: Path, rows: Rows) -> None:
    manifest = json.loads((folder / "manifest.json").read_text(encoding="utf-8"))
    judged = Turn.objects.filter(state=Turn.State.JUDGED)
    candidates = Candidate.objects.filter(item__in=judged.values("item")).count()
    assert {table: manifest["rows"][table] for table in ("survey", "conversations", "utterances")} == {
        "survey": Participation.objects.filter(study=study, rehearsal=True, state="completed").count(),
        "conversations": Conversation.objects.filter(state=Conversation.State.FINISHED).count(),
        "utterances": candidates,
    }
    assert (manifest["people"], manifest["rehearsal"], len(rows["conversations"])) == (BOTS, True, BOTS * TALKS)
    assert set(Counter(row["user_id"] for row in rows["conversations"]).values()) == {TALKS}
    assert [row["utterance_id"] for row in rows["utterances"] if type(row["score"]) is not int] == []
    assert sum(row["if_chosen"] for row in rows["utterances"]) == judged.count() == scored(rows)
    assert {file["name"]: file["sha256"] for file in manifest["files"]} == {
        file.name: file_sha256(file) for file in folder.iterdir() if file.name != "manifest.json"
    }
    assert Generation.objects.exclude(state=Generation.State.DONE).count() == 0
    assert Judgement.objects.filter(version=study.current).count() == judged.count() + 3 * BOTS * TALKS


def scored(rows: Rows) -> int:
    """How many turns have ratings."""
    return len({(row["conversation_id"], row["turn"]) for row in rows["utterances"] if row["score"] is not None})


def the_validator_finds_nothing(study: Study, folder: Path) -> None:
    """The validator reads it all again and has nothing against it."""
    reading = Reading(study, timezone.now(), rehearsal=True)
    layout = layout_named("prism")
    counts = json.loads((folder / "manifest.json").read_text(encoding="utf-8"))["rows"]
    refuse_broken(layout, reading, written_folder(folder, layout.tables(reading), WRITERS), counts)


def comes_back_the_same_from_an_empty_database(first: Path, tmp_path: Path) -> None:
    call_command("flush", interactive=False, verbosity=0)
    assert (Study.objects.count(), Participation.objects.count(), ServedModel.objects.count()) == (0, 0, 0)
    import_release(folder=first, slug="prism-demo", now=timezone.now())
    again = released(tmp_path / "again", rehearsal=False)
    same = {
        table: (again / f"{table}.jsonl").read_bytes() == (first / f"{table}.jsonl").read_bytes() for table in FILES
    }
    assert same == dict.fromkeys(FILES, True)
