"""What lies beside a document comes with it."""

import json
from pathlib import Path
from typing import Any

import pytest
import yaml
from django.core.management import CommandError, call_command
from django.utils import timezone

from annotation.items.models import Item, ItemSet, SetJob
from annotation.items.services.named_files import import_missing_files, import_named_files
from annotation.studies import loading
from annotation.studies.models import Study
from tests.factories.item_files import jsonl, pair
from tests.factories.studies import small

pytestmark = pytest.mark.django_db


@pytest.fixture
def source(tmp_path: Path) -> Path:
    """A document with two sets: one with a file and a mapping, one with nothing."""
    jsonl(tmp_path / "pairs.jsonl", [pair(1), pair(2)])
    mapping = {"id": "external_id", "prompt": "messages", "response_b": "A.text"}
    sets = {"pairs": {"file": "pairs.jsonl", "mapping": mapping, "licence": "CC0"}, "own": {}}
    (tmp_path / "small.yaml").write_text(yaml.safe_dump(small(item_sets=sets)))
    return tmp_path / "small.yaml"


def test_loading_a_document_imports_the_files_beside_it_once(source: Path) -> None:
    call_command("study", "load", str(source), "--publish", verbosity=0)
    call_command("study", "load", str(source), "--publish", verbosity=0)
    made = ItemSet.objects.get()
    assert (made.name, made.licence, made.items.count(), made.jobs.count()) == ("pairs", "CC0", 2, 1)
    first = Item.objects.order_by("ordinal").first()
    assert first is not None
    assert [one.content for one in first.candidates.all()] == [{"text": "No, never."}]


def test_publishing_a_study_that_was_begun_with_a_preset_imports_what_lies_beside_the_preset(
    source: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(loading, "PRESETS", source.parent)
    monkeypatch.setattr("annotation.items.services.named_files.PRESETS", source.parent)
    monkeypatch.setattr("annotation.studies.management.commands.study.after_loading", lambda *_: None)
    call_command("study", "load", "small", "--publish", verbosity=0)
    study = Study.objects.get()
    assert [job.state for job in import_named_files(study=study, clock=timezone.now)] == ["done"]
    import_missing_files(clock=timezone.now)
    assert (Item.objects.count(), SetJob.objects.count()) == (2, 1)


def test_a_file_that_is_wrong_leaves_the_set_empty_and_says_why(source: Path) -> None:
    jsonl(source.parent / "pairs.jsonl", [pair(1), "{broken"])
    call_command("study", "load", str(source), verbosity=0)
    job = SetJob.objects.get()
    assert (job.state, job.report["wrong"], Item.objects.count()) == ("checked", 1, 0)


def test_a_mapping_that_does_not_fit_its_file_is_kept_as_a_failed_import(source: Path) -> None:
    jsonl(source.parent / "pairs.jsonl", [{"other": "x"}])
    call_command("study", "load", str(source), verbosity=0)
    job = SetJob.objects.get()
    assert (job.state, job.report["error"].splitlines()[0]) == (
        "failed",
        "id: there is no such column; there are other",
    )


# -- the command -------------------------------------------------------------------------------------------------------
def said(capsys: Any, *arguments: str) -> list[str]:
    call_command("items", *arguments)
    return list(capsys.readouterr().out.splitlines())


def test_the_command_proposes_a_mapping_that_it_takes_back(source: Path, capsys: Any) -> None:
    file = str(source.parent / "pairs.jsonl")
    proposal = "\n".join(said(capsys, "mapping", file))
    assert yaml.safe_load(proposal) == {
        "id": "external_id", "prompt": "messages", "response_a": "A.text", "response_b": "B.text",
    }  # fmt: skip
    (source.parent / "mapping.yaml").write_text(proposal)
    call_command("study", "load", str(source), verbosity=0)
    lines = said(capsys, "import", "small", "more", file, "--mapping", str(source.parent / "mapping.yaml"))
    assert lines[-2:] == [
        "rows 2, new 2, same 0, changed 0, candidates 4, wrong 0", "more: imported; the set has 2 items.",
    ]  # fmt: skip


def test_a_dry_run_of_the_command_shows_the_first_rows_and_changes_nothing(source: Path, capsys: Any) -> None:
    call_command("study", "load", str(source), verbosity=0)
    lines = said(capsys, "import", "small", "more", str(source.parent / "pairs.jsonl"), "--dry-run")
    assert json.loads("\n".join(lines[1:-1]).split("\n}\n")[0].removesuffix("}") + "}")["id"] == "p1"
    assert not Item.objects.filter(item_set__name="more").exists()


def test_the_command_names_wrong_rows_and_ends_as_failed(source: Path, capsys: Any) -> None:
    call_command("study", "load", str(source), verbosity=0)
    rows = [pair(1), "{broken", pair(2, response_b="x\0")]
    file = jsonl(source.parent / "wrong.jsonl", rows)
    with pytest.raises(CommandError, match="Nothing was imported"):
        call_command("items", "import", "small", "more", str(file))
    assert capsys.readouterr().out.splitlines()[-3:] == [
        "rows 3, new 1, same 0, changed 0, candidates 2, wrong 2",
        "  line 2: this is not readable as JSON: Expecting property name enclosed in double quotes at character 2",
        "  line 3, response_b: holds a character that is no text (NUL or half of a pair)",
    ]
