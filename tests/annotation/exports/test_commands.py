"""The two commands: a release out, a release in."""

from pathlib import Path

import pytest
from django.core.management import CommandError, call_command

from annotation.exports.layouts import LAYOUTS
from annotation.studies.models import Study
from tests.annotation.exports.conftest import records
from tests.factories import prism_rows


@pytest.fixture
def study(db: None) -> Study:
    study = prism_rows.prism_study()
    prism_rows.person(study, talks=("unguided",))
    prism_rows.person(study, talks=("unguided",), rehearsal=True)
    prism_rows.person(study, rehearsal=True)
    return study


def test_export_writes_into_a_new_folder_and_import_takes_it(
    study: Study, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "deep" / "out"
    call_command("export", "prism", layout="prism", out=out, rehearsal=True, writers="jsonl")
    call_command("import_release", str(out), study="again")
    call_command("import_release", str(out), study="again")

    said = capsys.readouterr().out.split("\n")
    assert said[:2] == ["survey: 2", "conversations: 1"]
    assert "again has these files already; nothing was changed" in said
    assert Study.objects.get(slug="again").participations.count() == len(records(out, "survey")) == 2


def test_places_of_panel_studies_come_from_a_file(study: Study, tmp_path: Path) -> None:
    (tmp_path / "places.json").write_text('{"study0": "uk"}')

    call_command("export", "prism", out=tmp_path / "out", writers="jsonl", study_locales=tmp_path / "places.json")

    person = records(tmp_path / "out", "survey")[0]
    assert (person["study_id"], person["study_locale"]) == ("study0", "uk")


def test_a_folder_that_holds_something_is_left_alone(study: Study, tmp_path: Path) -> None:
    (tmp_path / "note.txt").write_text("mine")

    with pytest.raises(CommandError, match="is there and not empty"):
        call_command("export", "prism", out=tmp_path)

    assert [path.name for path in tmp_path.iterdir()] == ["note.txt"]


@pytest.mark.parametrize(
    ("study_name", "layout", "message"),
    [
        ("nothing", "prism", "There is no study nothing."),
        ("prism", "prison", f"There is no layout prison; there are {', '.join(LAYOUTS)}."),
    ],
)
def test_an_export_that_cannot_be_made_says_why(
    study: Study, tmp_path: Path, study_name: str, layout: str, message: str
) -> None:
    with pytest.raises(CommandError) as refused:
        call_command("export", study_name, layout=layout, out=tmp_path / "out")

    assert str(refused.value) == message
    assert not (tmp_path / "out").exists()
