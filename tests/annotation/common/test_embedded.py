"""What `manage.py up` asks of the machine, and what it tells the catalogue about the models that it serves."""

import json
from pathlib import Path
from typing import Any

import httpx
import pytest
from django.core.management import CommandError
from django.utils import timezone

from annotation.common import embedded
from annotation.exports.layouts.prism.models import card_problems, model_records
from annotation.studies import services
from annotation.studies.loading import read_source
from annotation.studies.queries import document_of
from models_serving.catalog.models import ServedModel
from tests.servers import a_free_port

DEMO: list[dict[str, Any]] = json.loads(embedded.DEMO_MODELS.read_text(encoding="utf-8"))


@pytest.fixture
def here(tmp_path: Path, settings: Any, db: None) -> None:
    settings.DATA_DIR, settings.MODELS = tmp_path, []


def published() -> dict[str, tuple[Any, str]]:
    return {model.name: (model.card, model.licence) for model in ServedModel.objects.all()}


@pytest.mark.usefixtures("here")
def test_demo_models_are_registered_with_card_and_licence() -> None:
    assert embedded.prepare_models() == "demo-terse, demo-warm, demo-formal, demo-playful"
    assert published() == {model["name"]: (model["card"], "Apache-2.0") for model in DEMO}
    assert [problem for model in DEMO for problem in card_problems(model["card"])] == []


@pytest.mark.usefixtures("here")
def test_models_known_without_a_card_get_it_and_what_somebody_wrote_stays() -> None:
    ServedModel.objects.create(name="demo-terse", url="http://127.0.0.1:1/v1")
    ServedModel.objects.create(
        name="demo-warm", url="http://127.0.0.1:1/v1", card={"model_provider": "Us"}, licence="MIT"
    )
    embedded.prepare_models()
    assert published()["demo-terse"] == (DEMO[0]["card"], "Apache-2.0")
    assert published()["demo-warm"] == ({"model_provider": "Us"}, "MIT")


@pytest.mark.usefixtures("here")
def test_a_key_that_the_model_server_asks_for_is_given_by_its_name(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MODELS_SERVING_API_KEY", "secret")
    embedded.prepare_models()
    assert set(ServedModel.objects.values_list("api_key_env", flat=True)) == {"MODELS_SERVING_API_KEY"}


def test_what_a_start_waits_for_is_what_readyz_says(settings: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    parts = {"database": {"ok": True, "detail": ""}, "models": {"ok": False, "detail": "0 of 4 answer"}}
    answer = httpx.Response(503, json={"ready": False, "parts": parts})
    monkeypatch.setattr(httpx, "get", lambda *_, **__: answer)
    assert embedded.silent_parts() == ["models (0 of 4 answer)"]
    settings.HOST, settings.PORT = "127.0.0.1", a_free_port()
    monkeypatch.undo()
    assert embedded.silent_parts() == ["web"]


@pytest.mark.usefixtures("here")
def test_export_of_the_demo_study_names_provider_family_and_type_of_every_model() -> None:
    embedded.prepare_models()
    ServedModel.objects.update(backend="scripted")
    study = services.save_source(slug="demo", tree=read_source("prism-demo"), actor="ada", now=timezone.now())
    version = services.publish(study=study, actor="ada", now=timezone.now())
    told = ("long_name", "longcode", "model_family", "model_provider", "model_provider_type", "model_type", "link")
    assert [tuple(record[key] for key in told) for record in model_records([document_of(version)])] == [
        (name, code, "Plurivox demo", "Plurivox", "Open Access", "Chat", "models_serving/demo/README.md")
        for name, code in (("demo-terse", "DT"), ("demo-warm", "DW"), ("demo-formal", "DF"), ("demo-playful", "DP"))
    ]


def test_a_port_is_waited_for_only_while_what_was_killed_may_still_hold_it(
    settings: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings.HOST, settings.PORT, settings.OUTSIDE_MODEL_SERVER = "127.0.0.1", 8123, "http://127.0.0.1:1/v1"
    asked: list[int] = []

    def free_at_the_third_look(host: str, port: int) -> bool:
        asked.append(port)
        return len(asked) >= 3

    monkeypatch.setattr(embedded, "port_is_free", free_at_the_third_look)
    with pytest.raises(CommandError, match=r"^Port 8123 is in use\. .*: PORT=8124$"):
        embedded.refuse_taken_ports()
    embedded.refuse_taken_ports(patience=60)
    assert asked == [8123] * 3
