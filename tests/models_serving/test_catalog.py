"""The catalogue: declared models, their health, and the exact states that answered."""

import threading
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from django.contrib.auth import get_user_model
from django.core.management import CommandError, call_command
from django.db import connection
from django.test import Client
from django.urls import reverse

from models_serving.catalog import beat, services, tasks
from models_serving.catalog.board import CatalogBoard
from models_serving.catalog.models import ModelRevision, ServedModel
from models_serving.catalog.parameters import DEFAULTABLE
from models_serving.catalog.queries import endpoint_for, endpoint_of
from models_serving.catalog.services import (
    DeclarationError,
    check_health,
    own_endpoint,
    record_revision,
    register_models,
    say_hello,
    say_hello_to,
)
from models_serving.client import ask, asking
from models_serving.contracts import Endpoint, Failed, Finished, Timings, Usage
from tests.models_serving.asking import a_request, ask_sync
from tests.models_serving.dialects import ThinkingVllm
from tests.models_serving.serving import RunningServer
from tests.models_serving.stub import StubServer

NOW = datetime(2026, 11, 21, 12, tzinfo=UTC)
KEY = "sk-this-must-never-be-shown"


def scripted(name: str = "echo", **changes: Any) -> ServedModel:
    [made] = register_models(declarations=[{"name": name, "backend": "scripted"} | changes])
    return made


@pytest.fixture
def staff(db: None) -> Client:
    client = Client()
    client.force_login(get_user_model().objects.create_superuser("root", "root@example.org", "pw"))
    return client


@pytest.mark.django_db
def test_a_declaration_makes_models_and_a_second_one_changes_only_what_it_names() -> None:
    declared = {"name": "demo-terse", "card": {"provider": "us"}, "supported_parameters": ["seed", "max_tokens"]}
    [made] = register_models(declarations=[declared], default_url="http://127.0.0.1:8100/v1")
    ServedModel.objects.filter(pk=made.pk).update(enabled=False, health="healthy")
    [again] = register_models(declarations=[declared], default_url="http://127.0.0.1:8100/v1")
    assert (again.pk, again.enabled, again.health) == (made.pk, False, "healthy")
    [moved] = register_models(declarations=[declared | {"licence": "MIT"}], default_url="http://127.0.0.1:9000/v1")
    assert (moved.licence, moved.health, moved.card) == ("MIT", "unknown", {"provider": "us"})
    assert endpoint_for(moved) == Endpoint(
        "openai_compatible", "http://127.0.0.1:9000/v1", supported=frozenset({"seed", "max_tokens"})
    )
    assert moved.asked_as == "demo-terse"
    assert ServedModel.objects.count() == 1


@pytest.mark.django_db
@pytest.mark.parametrize(
    ("declared", "error"),
    [
        ({}, "a declaration is a list of models"),
        (["a"], "[0] must be a mapping"),
        ([{"url": "http://x"}], "[0].name is missing"),
        (
            [{"name": "a", "colour": 1}],
            "[0].colour is unknown; known are " + ", ".join([*services.DECLARED, "endpoints"]),
        ),
        ([{"name": "a", "backend": "magic"}], "[0].backend: there are openai_compatible, scripted"),
        ([{"name": "a"}], "[0].url: an address that begins with http:// or https:// is needed"),
        *(
            ([{"name": "a", "url": f"http://{url}"}], f"[0].url: {error}")
            for url, error in (
                ("", "only http and https addresses with a host are asked"),
                ("me:secret@gpu/v1", "an address may not carry a user name or password; use api_key_env"),
                ("gpu/v1?key=x", "an address may not carry a query or a fragment; only paths are added to it"),
                ("gpu:99999/v1", "there is no port 99999"),
                ("gpu/v1/chat/completions", "the address ends before /chat/completions, which is added to it"),
            )
        ),
        (
            [{"name": "a", "url": "http://gpu/v1", "endpoints": ["http://gpu/v1/models/"]}],
            "[0].endpoints[0].url: the address ends before /models, which is added to it",
        ),
        ([{"name": "a b", "backend": "scripted"}], None),
        ([{"name": "a", "backend": "scripted", "options": [1]}], "[0].options: a mapping is needed"),
        ([{"name": "a", "backend": "scripted", "supported_parameters": ["sead"]}], None),
        (
            [{"name": "a", "backend": "scripted", "between_tokens_limit": 0}],
            "[0].between_tokens_limit: Ensure this value is greater than or equal to 0.1.",
        ),
        *(
            ([{"name": "a", "backend": "scripted", "defaults": defaults}], f"[0].defaults: {error}")
            for defaults, error in (
                ({"temperature": "hot"}, "temperature is a number from 0 to 5, and not 'hot'"),
                ({"top_p": 0}, "top_p is a number above 0, up to 1, and not 0"),
                ({"min_p": True}, "min_p is a number from 0 to 1, and not True"),
                ({"presence_penalty": -3}, "presence_penalty is a number from -2 to 2, and not -3"),
                ({"max_tokens": 0}, "max_tokens is a whole number from 1 to 32768, and not 0"),
                ({"top_k": 4.0}, "top_k is a whole number from 0, and not 4.0"),
                ({"stop": "###"}, "stop is a list of texts, and not '###'"),
                ({"stop": [""]}, "stop is a list of texts, and not ['']"),
                (
                    {"seed": 1},
                    f"seed is unknown; known are {', '.join(DEFAULTABLE)}",
                ),
            )
        ),
        ([{"name": "a", "backend": "scripted", "api_key_env": KEY}], None),
        ([{"name": "a", "backend": "scripted", "api_key_env": "SECRET_KEY"}], None),
        ([{"name": "a", "backend": "scripted"}] * 2, "declared twice: a"),
    ],
)
def test_a_wrong_declaration_registers_nothing_and_names_the_place(declared: Any, error: str | None) -> None:
    with_a_good_one = [{"name": "good", "backend": "scripted"}, *declared] if isinstance(declared, list) else declared
    with pytest.raises(DeclarationError) as caught:
        register_models(declarations=with_a_good_one)
    assert error is None or str(caught.value) == error.replace("[0]", "[1]", 1)
    assert KEY not in str(caught.value)
    assert ServedModel.objects.count() == 0


def recorded(model: ServedModel, report: dict[str, Any]) -> ModelRevision:
    """The revision of an answer with that report, from the model's own address."""
    sent, asked = {"model": model.asked_as}, endpoint_for(model)
    return record_revision(
        served_model=model, finished=Finished("x", "stop", Usage(), Timings(0.1, 0.2), sent, report, asked)
    )


@pytest.mark.django_db
def test_the_same_facts_are_one_revision_and_other_facts_another() -> None:
    model = scripted(options={"text": "a"})
    report = {"plurivox": {"revision": {"weights_sha256": "aa"}, "timings": {"finished": 1.0}}, "id": "x"}
    first = recorded(model, report)
    later = report | {"id": "y", "plurivox": {"revision": {"weights_sha256": "aa"}, "timings": {"finished": 2.0}}}
    assert recorded(model, later) == first
    assert recorded(model, {"system_fingerprint": "fp"}) != first
    assert first.facts["reported"] == {"weights_sha256": "aa"}
    with pytest.raises(TypeError, match="never changed"):
        first.save()


@pytest.mark.django_db(transaction=True)
def test_one_revision_results_when_many_record_it_at_once() -> None:
    model = scripted()
    barrier, made = threading.Barrier(8), []

    def record() -> None:
        barrier.wait()
        made.append(recorded(model, {"model": "m", "system_fingerprint": "f"}).pk)
        connection.close()

    threads = [threading.Thread(target=record) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert (len(made), len(set(made)), ModelRevision.objects.count()) == (8, 1, 1)


@pytest.mark.django_db
def test_health_says_whether_the_model_is_there_and_why_not(stub: StubServer) -> None:
    def answer(exchange: Any) -> None:
        exchange.start(kind="application/json")
        exchange.send(b'{"data": [{"id": "there"}]}')

    stub.answer = answer
    there, gone, mute = register_models(
        declarations=[{"name": name, "url": stub.url} for name in ("there", "gone")]
        + [{"name": "mute", "url": "http://127.0.0.1:1/v1"}]
    )
    assert (there.health, there.health_checked_at) == ("unknown", None)
    for model in (there, gone, mute):
        check_health(served_model=model, now=NOW)
        model.refresh_from_db()
    assert (there.health, there.health_detail, there.health_checked_at) == ("healthy", "", NOW)
    assert (gone.health, gone.health_detail) == ("unhealthy", "it does not serve 'gone'; it serves there")
    assert mute.health == "unhealthy"
    assert mute.health_detail.startswith("no connection")
    assert ModelRevision.objects.count() == 0


@pytest.mark.django_db
def test_a_health_check_does_not_undo_what_somebody_changes_meanwhile() -> None:
    model = scripted()
    ServedModel.objects.update(enabled=False, licence="MIT")
    check_health(served_model=model, now=NOW)
    model.refresh_from_db()
    assert (model.enabled, model.licence, model.health) == (False, "MIT", "healthy")


@pytest.mark.django_db
def test_our_engine_is_the_same_revision_before_and_after_it_answers(server: RunningServer) -> None:
    [model] = register_models(declarations=[{"name": "llama"}], default_url=f"{server.root}/v1")
    check_health(served_model=model, now=NOW)
    # on a machine that is very busy this is what fails, and says why
    assert (model.health, model.health_detail) == ("healthy", "")
    [known] = ModelRevision.objects.all()
    last = ask_sync(
        endpoint_of(model.endpoints.get()), a_request(model=model.asked_as, max_tokens=4, min_tokens=4, seed=1)
    )[-1]
    assert isinstance(last, Finished)
    assert record_revision(served_model=model, finished=last) == known
    # what is recognised as ours hears whose request it is and that nobody waits for it
    # (with a seed: by chance this model says U+0000 now and then, which no database keeps)
    *_, batch = ask(CatalogBoard(model), replace(a_request(max_tokens=4, min_tokens=4, seed=1), key="k", live=False))
    assert isinstance(batch, Finished)
    assert (batch.sent["user"], batch.sent["priority"]) == ("k", 1)
    assert record_revision(served_model=model, finished=batch) == known
    assert known.facts["reported"]["weights_sha256"] == server.model("llama").facts["weights_sha256"]


@pytest.mark.parametrize(("thoughts", "said"), [(100, "well says: ant"), (5_000, "well answers: it thought, and ")])
def test_a_model_that_thinks_first_gets_room_to_say_hello(
    staff: Client, stub: StubServer, thoughts: int, said: str
) -> None:
    class Thinking(ThinkingVllm):
        thinks = thoughts

        def drawn(self, body: dict[str, Any]) -> tuple[list[str], str]:
            return super().drawn(body | {"temperature": 0.0})

    Thinking().at(stub)
    [model] = register_models(declarations=[{"name": "well", "url": stub.url, "served_name": "m"}])
    [message] = messages_of(staff, "say_hello", model)
    assert message[: len(said)] == said
    own = own_endpoint(served_model=model)
    assert own is not None
    end = say_hello_to(endpoint=own)
    assert isinstance(end, Finished if thoughts == 100 else Failed)


@pytest.mark.django_db
def test_hello_is_a_real_answer_or_the_reason_why_not() -> None:
    hello = say_hello(served_model=scripted(options={"text": "I am a script."}))
    assert isinstance(hello, Finished)
    assert hello.text == "I am a script."
    assert ModelRevision.objects.count() == 1
    picky = say_hello(served_model=scripted("picky", supported_parameters=["seed"]))
    assert isinstance(picky, Finished)
    broken = say_hello(served_model=scripted("broken", options={"fail_after": 0}))
    assert isinstance(broken, Failed)
    assert broken.kind == "broken"


@pytest.mark.django_db
def test_beat_runs_a_task_that_checks_enabled_models() -> None:
    scripted("on")
    scripted("off", enabled=False)
    assert [task for task, *_ in beat.ENTRIES.values()] == [
        tasks.check_all_health.name, tasks.begin_due_trials.name, tasks.forget_old_times.name,
    ]  # fmt: skip
    assert [more for _, _, *more in beat.ENTRIES.values()] == [[{"queue": "upkeep"}], [], []]
    tasks.check_all_health()
    assert dict(ServedModel.objects.values_list("name", "health")) == {"on": "healthy", "off": "unknown"}


@pytest.mark.django_db
def test_the_command_registers_lists_checks_and_says_hello(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], settings: Any
) -> None:
    settings.MODEL_SERVER_URL = "http://127.0.0.1:1/v1"
    file = tmp_path / "models.yaml"
    file.write_text("- {name: a, backend: scripted, options: {text: hi}}\n- {name: b, enabled: false}\n")
    call_command("models", "register", str(file))
    call_command("models", "list")
    line_b = "b (off)\tunknown\thttp://127.0.0.1:1/v1\t\n"
    assert capsys.readouterr().out == f"a\tunknown\tscripted\t\n{line_b}" * 2
    call_command("models", "check")
    call_command("models", "hello", "a")
    assert capsys.readouterr().out == "a\thealthy\tscripted\t\nhi\n"
    ServedModel.objects.update(enabled=True)
    with pytest.raises(CommandError, match="not every model answers"):
        call_command("models", "check")
    with pytest.raises(CommandError, match="no model is called c"):
        call_command("models", "hello", "c")
    file.write_text("- {name: a, backend: wrong}\n")
    with pytest.raises(CommandError, match=r"models.yaml: \[0\].backend: there are"):
        call_command("models", "register", str(file))


# the form's part for further endpoints, empty
NO_MORE = {"endpoints-TOTAL_FORMS": "0", "endpoints-INITIAL_FORMS": "0"}
LIMITS = {"first_token_limit": "30", "between_tokens_limit": "15"}


def messages_of(client: Client, action: str, *models: ServedModel) -> list[str]:
    form = {"action": action, "_selected_action": [model.pk for model in models]}
    page = client.post(reverse("admin:catalog_servedmodel_changelist"), form, follow=True)
    return [str(message) for message in page.context["messages"]]


def test_the_admin_says_hello_and_checks(staff: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(asking, "PAUSES", ())
    well = scripted("well", options={"text": "<b>hello</b>"})
    ill = scripted("ill", options={"fail_after": 0, "fail_kind": "busy"})
    assert messages_of(staff, "say_hello", well, ill) == [
        "ill: busy (the script breaks off here)",
        "well says: <b>hello</b>",
    ]
    assert messages_of(staff, "check_now", well) == ["well: healthy"]
    page = staff.get(reverse("admin:catalog_servedmodel_changelist")).content.decode()
    assert "healthy" in page
    assert "<b>hello</b>" not in page


def test_the_admin_never_shows_a_key(staff: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SOME_API_KEY", KEY)
    model = scripted(api_key_env="SOME_API_KEY")
    for address in ("changelist", "change"):
        arguments = [model.pk] if address == "change" else []
        page = staff.get(reverse(f"admin:catalog_servedmodel_{address}", args=arguments)).content.decode()
        assert KEY not in page
        assert page.count("SOME_API_KEY") == (1 if address == "change" else 0)


def test_the_admins_form_refuses_what_a_declaration_may_not_hold(staff: Client) -> None:
    form = (
        {"name": "x", "backend": "magic", "options": "{}", "card": "{}", "supported_parameters": "null"}
        | NO_MORE
        | LIMITS
    )
    page = staff.post(reverse("admin:catalog_servedmodel_add"), form)
    assert page.context["adminform"].form.errors == {"backend": ["there are openai_compatible, scripted"]}
    staff.post(reverse("admin:catalog_servedmodel_add"), form | {"backend": "scripted"})
    assert list(ServedModel.objects.values_list("name", "backend", "enabled")) == [("x", "scripted", False)]


def test_revisions_are_only_looked_at(staff: Client) -> None:
    revision = recorded(scripted(), {"model": "m"})
    address = reverse("admin:catalog_modelrevision_change", args=[revision.pk])
    assert staff.get(address).status_code == 200
    assert staff.post(address, {"facts": "{}"}).status_code == 403
    assert staff.get(reverse("admin:catalog_modelrevision_add")).status_code == 403
