"""A study is published only against models that give a real answer to what it asks."""

from collections.abc import Iterator
from threading import Barrier
from typing import Any

import pytest
import yaml
from django.utils import timezone

from annotation.common.errors import DocumentError
from annotation.studies import services
from annotation.studies.models import Study
from models_serving.backends.scripted import register
from models_serving.catalog.models import ServedModel
from models_serving.catalog.services import check_health, register_models
from models_serving.contracts import GenerationRequest
from tests.annotation.studies.documents import document
from tests.models_serving.dialects import Behaving, Hosted, LlamaCpp, Tgi, Vllm
from tests.models_serving.stub import Exchange, StubServer

NOW = timezone.now()
pytestmark = pytest.mark.django_db


@pytest.fixture
def stub() -> Iterator[StubServer]:
    server = StubServer()
    yield server
    server.close()


def served(stub: StubServer, behaving: Behaving | None = None, **declared: Any) -> ServedModel:
    if behaving is not None:
        behaving.at(stub)
    [model] = register_models(declarations=[{"name": "m", "url": stub.url} | declared])
    return model


def problems(admission: dict[str, Any] | None = None, **models: Any) -> list[tuple[str, str]]:
    """What keeps a study of "m" and another model from being published; nothing when it is published."""
    ServedModel.objects.get_or_create(name="well", backend="scripted")
    tree = document(models={"pool": ["m", "well"], "sampling": {"max_tokens": 50}} | models)
    if admission:
        next(step for step in tree["steps"] if "conversations" in step)["admission"] = admission
    Study.objects.all().delete()
    study = services.create_study(slug="small", draft=yaml.safe_dump(tree), actor="ada", now=NOW)
    try:
        services.publish(study=study, actor="ada", now=NOW)
    except DocumentError as error:
        return error.problems
    return []


def test_each_entry_is_asked_once_in_its_own_words_for_a_few_tokens(stub: StubServer) -> None:
    server = Vllm()
    served(stub, server)
    entries = [
        {"name": name, "serve": "m", "system_message": said}
        for name, said in (("a", "Be kind."), ("b", "Be kind."), ("c", ""))
    ]
    assert problems(pool=entries, sampling={"max_tokens": 50, "temperature": 0.5, "stop": ["!"]}) == []
    kind, plain = sorted(server.asked, key=lambda body: len(body["messages"]), reverse=True)
    assert [message["content"] for message in kind["messages"]] == ["Be kind.", "Hello!"]
    assert [plain[name] for name in ("max_tokens", "temperature", "stop", "seed")] == [8, 0.5, ["!"], 1]


def test_a_server_that_lists_its_models_and_refuses_to_answer_is_found_out(stub: StubServer) -> None:
    class Locked(Hosted):
        def chat(self, exchange: Exchange, body: dict[str, Any]) -> None:
            self.json(exchange, {"error": {"message": "Incorrect API key provided"}}, "401 Unauthorized")

    served(stub, Locked())
    why = "m refuses what this study asks of it (HTTP 401: Incorrect API key provided; no key was sent)"
    assert problems() == [("models.pool.0", why)]


def test_what_the_catalogue_adds_is_asked_for_too(stub: StubServer) -> None:
    served(stub, Tgi(), defaults={"top_k": 40})
    assert problems() == [("models.pool.0", "m does not honour top_k")]


def test_more_stop_strings_than_the_server_takes_are_found_out_before_people_come(stub: StubServer) -> None:
    served(stub, Hosted())
    why = "m refuses what this study asks of it (openai takes 4 stop strings at most)"
    assert problems(sampling={"stop": list("abcde")}) == [("models.pool.0", why)]


def test_an_answer_that_cannot_fit_into_the_context_is_found_out(stub: StubServer) -> None:
    served(stub, LlamaCpp())
    why = "m has room for 8192 tokens of prompt and answer together; max_tokens is 8192"
    assert problems(sampling={"max_tokens": 8192}) == [("models.pool.0", why)]


def test_a_model_that_is_given_up_before_admission_looks_is_named(stub: StubServer) -> None:
    served(stub, Vllm(), first_token_limit=2.5)
    why = "m is waited for no longer than 2.5 seconds, and a step's admission wants to see 3 (first_token)"
    assert problems(admission={"first_token": 3}) == [("models.pool.0", why)]
    assert problems(admission={"first_token": 2.5}) == []


def test_an_endpoint_that_drains_speaks_for_nobody(stub: StubServer) -> None:
    Vllm().at(stub)
    model = served(stub, url="http://127.0.0.1:1/v1", endpoints=[stub.url])
    check_health(served_model=model, now=NOW)
    assert model.health == "healthy"
    model.endpoints.filter(url=stub.url).update(state="draining")
    [(place, why)] = problems()
    assert (place, why.startswith("m does not answer: no connection")) == ("models.pool.0", True)


def test_a_model_that_thinks_first_gets_its_whole_length(stub: StubServer) -> None:
    class Thinking(Vllm):
        def drawn(self, body: dict[str, Any]) -> tuple[list[str], str]:
            return ([], "length") if body["max_tokens"] < 50 else (["Hello."], "stop")

    server = Thinking()
    served(stub, server)
    assert problems() == []
    assert [body["max_tokens"] for body in server.asked] == [8, 50]


@pytest.mark.parametrize(
    ("options", "why"),
    [
        ({"fail_after": 2}, "m does not answer: it breaks off"),
        ({"empty": True}, "m answers without a word"),
        ({"stall_after": 1}, "m does not answer in time"),
    ],
)
def test_what_went_wrong_is_said_in_words(options: dict[str, Any], why: str) -> None:
    register_models(declarations=[{"name": "m", "backend": "scripted", "options": options}])
    [(place, said)] = problems(deadline=0.2)
    assert (place, said.partition(" (")[0]) == ("models.pool.0", why)


def test_several_models_are_asked_at_once() -> None:
    names = [f"m-{number}" for number in range(12)]
    together = Barrier(len(names), timeout=20)

    def script(request: GenerationRequest) -> str:
        # nobody says a word before all have been asked
        together.wait()
        return "Hello."

    register("together", script)
    options = {"function": "together"}
    register_models(declarations=[{"name": name, "backend": "scripted", "options": options} for name in names])
    assert problems(pool=names) == []
