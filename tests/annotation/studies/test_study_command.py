"""`manage.py study`: what it prints, what it stores, what it refuses."""

import json
from io import StringIO
from pathlib import Path

import pytest
import yaml
from django.core.management import CommandError, call_command

from annotation.accounts.models import AuditEntry, User
from annotation.studies.models import Study, StudyVersion
from models_serving.catalog.models import ServedModel
from tests.annotation.studies.documents import document

DEMO = ("demo-terse", "demo-warm", "demo-formal", "demo-playful")


def study(*words: str) -> str:
    out = StringIO()
    call_command("study", *words, stdout=out)
    return out.getvalue()


@pytest.fixture
def _served() -> None:
    ServedModel.objects.bulk_create([ServedModel(name=name, backend="scripted") for name in DEMO])


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "small.yaml"
    path.write_text(yaml.safe_dump(document(), sort_keys=False), encoding="utf-8")
    return path


@pytest.mark.django_db
@pytest.mark.usefixtures("_served")
def test_load_publishes_and_opens_the_tour_and_does_nothing_new_the_second_time() -> None:
    first, second = study("load", "tour", "--open"), study("load", "tour", "--open")
    version = StudyVersion.objects.get()
    lines = [
        "tour: the draft is saved.",
        f"tour: version 1 is published, SHA-256 {version.sha256}.",
        "tour: people can take part.",
    ]
    assert (first.splitlines(), second.splitlines()) == (lines, lines)
    assert Study.objects.get().state == "open"


@pytest.mark.django_db
@pytest.mark.usefixtures("_served")
def test_load_maps_the_pool_to_served_models_in_turn() -> None:
    study("load", "prism", "--slug", "my-prism", "--serve", "demo-terse, demo-warm", "--publish")
    pool = StudyVersion.objects.get(study__slug="my-prism").document["models"]["pool"]
    assert [entry["serve"] for entry in pool] == [DEMO[n % 2] for n in range(21)]


@pytest.mark.django_db
def test_load_gives_a_study_to_whom_it_is_for(file: Path) -> None:
    ada = User.objects.create_user("ada", is_staff=True)
    for _ in range(2):
        study("load", str(file), "--owner", "ada")
    assert (Study.objects.get().owner, AuditEntry.objects.filter(action="study.give").count()) == (ada, 1)
    with pytest.raises(CommandError, match="bob is nobody of the staff"):
        study("load", str(file), "--owner", "bob")


@pytest.mark.django_db
def test_validate_says_what_is_there_or_lists_every_mistake(file: Path) -> None:
    assert study("validate", str(file)).startswith(
        "small is valid: “A small study”, 4 steps, 4 questions, languages en. SHA-256 "
    )
    file.write_text(yaml.safe_dump(document(minutes=-1, contact=5)), encoding="utf-8")
    with pytest.raises(CommandError) as caught:
        study("validate", str(file))
    assert str(caught.value).splitlines() == [
        "minutes: -1 is not allowed; it must be more than 0",
        "contact: 5 is not a text; put it in quotes",
    ]


def test_schema_is_json_schema() -> None:
    schema = json.loads(study("schema"))
    assert (schema["$schema"], schema["type"], schema["required"]) == (
        "https://json-schema.org/draft/2020-12/schema",
        "object",
        ["study", "title", "steps"],
    )


@pytest.mark.django_db
def test_diff_and_publish_want_a_confirmation_for_what_breaks_the_data(file: Path) -> None:
    ServedModel.objects.bulk_create([ServedModel(name=name, backend="scripted") for name in ("one", "two")])
    study("load", str(file), "--publish")
    assert study("diff", "small") == "Nothing changed.\n"
    questions = document()["questions"]
    questions["score"]["scale"]["max"] = 10
    file.write_text(yaml.safe_dump(document(questions=questions), sort_keys=False), encoding="utf-8")
    line = "questions.score.scale.max: 100 → 10  [breaks the data: answers before and after are on different scales]"
    assert study("diff", "small", str(file)) == f"{line}\n"
    study("load", str(file))
    with pytest.raises(CommandError, match="publish again with confirmation"):
        study("publish", "small")
    assert "version 2 is published" in study("publish", "small", "--confirm")


@pytest.mark.django_db
def test_unknown_study_is_answered_with_those_that_there_are() -> None:
    with pytest.raises(CommandError, match="There is no study nowhere; there are: none"):
        study("publish", "nowhere")
