"""The official `openai` client against the real command: four models, each in a process of its own.

What this client can do, a lab's own scripts can."""

import os
import re
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import openai
import pytest
from openai.types.chat import ChatCompletionMessageParam

from tests.models_serving.serving import until
from tests.servers import a_free_port

HELLO: list[ChatCompletionMessageParam] = [{"role": "user", "content": "hello"}]
KEY = "a key of this test"
NAMES = ["gemma2", "llama", "mistral", "qwen2"]
LONG: dict[str, Any] = {"max_tokens": 400, "extra_body": {"min_tokens": 400}}


class Served:
    """The command at work, and what it says about itself."""

    def __init__(self, folders: dict[str, Path], key_file: Path, port: int) -> None:
        key_file.write_text(f"{KEY}\n")
        models = [f"--model={name}={folders[name]}" for name in NAMES]
        self.root = f"http://127.0.0.1:{port}"
        self.log = key_file.with_suffix(".log")
        command = [sys.executable, "-m", "models_serving.server", "--port", str(port), "--threads", "1", "--device=cpu"]
        with self.log.open("wb") as out:
            self.process = subprocess.Popen(
                [*command, "--api-key-file", str(key_file), *models],
                stdout=out,
                stderr=out,
                cwd=Path.cwd(),
                env=os.environ | {"HF_HUB_OFFLINE": "1"},
            )
        until(self.ready)

    def ready(self) -> bool:
        assert self.process.poll() is None, self.log.read_text()
        try:
            return httpx.get(f"{self.root}/readyz", timeout=30).status_code == 200
        except httpx.TransportError:
            return False

    def get(self, path: str) -> httpx.Response:
        return httpx.get(f"{self.root}{path}", headers={"Authorization": f"Bearer {KEY}"}, timeout=30)

    def table(self) -> dict[str, dict[str, Any]]:
        return {entry["name"]: entry for entry in self.get("/models").json()["models"]}

    def measured(self, name: str, **labels: str) -> float:
        inside = ",".join(f'{label}="{value}"' for label, value in labels.items())
        found = re.search(rf"^plurivox_{name}{{{re.escape(inside)}}} (\S+)$", self.get("/metrics").text, re.MULTILINE)
        assert found is not None, name
        return float(found[1])


@pytest.fixture(scope="module")
def served(folders: dict[str, Path], tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    server = Served(folders, tmp_path_factory.mktemp("served") / "key", a_free_port())
    yield server
    processes = [entry["pid"] for entry in server.table().values()]
    server.process.send_signal(signal.SIGTERM)
    server.process.wait(30)
    assert [pid for pid in processes if Path(f"/proc/{pid}/cmdline").exists()] == []


@pytest.fixture
def client(served: Served) -> Iterator[openai.OpenAI]:
    with openai.OpenAI(base_url=f"{served.root}/v1", api_key=KEY, max_retries=0) as made:
        yield made


def test_the_list_names_the_four_models(client: openai.OpenAI) -> None:
    assert sorted(model.id for model in client.models.list()) == NAMES
    assert client.models.retrieve("llama").owned_by == "plurivox"


@pytest.mark.parametrize("name", NAMES)
def test_a_stream_is_the_answer_in_pieces_and_its_seed_repeats_it(client: openai.OpenAI, name: str) -> None:
    def streamed(seed: int) -> tuple[str, int]:
        stream = client.chat.completions.create(
            model=name,
            messages=HELLO,
            seed=seed,
            max_tokens=24,
            extra_body={"min_tokens": 24},
            stream=True,
            stream_options={"include_usage": True},
        )
        *chunks, last = list(stream)
        assert last.usage is not None
        return "".join(chunk.choices[0].delta.content or "" for chunk in chunks), last.usage.completion_tokens

    whole = client.chat.completions.create(
        model=name, messages=HELLO, seed=7, max_tokens=24, extra_body={"min_tokens": 24}
    )
    text, tokens = streamed(7)
    assert (text, tokens) == (whole.choices[0].message.content, 24)
    assert streamed(7) == (text, tokens)
    assert streamed(8)[0] != text


def test_all_four_answer_at_once_and_each_as_alone(client: openai.OpenAI) -> None:
    def answer(name: str) -> str | None:
        done = client.chat.completions.create(model=name, messages=HELLO, seed=3, max_tokens=40)
        return done.choices[0].message.content

    alone = {name: answer(name) for name in NAMES}
    together: dict[str, str | None] = {}
    threads = [threading.Thread(target=lambda name=name: together.update({name: answer(name)})) for name in NAMES]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert together == alone


def test_samples_stops_and_likelihoods_come_as_the_client_knows_them(client: openai.OpenAI) -> None:
    done = client.chat.completions.create(
        model="llama", messages=HELLO, seed=5, n=3, max_tokens=20, logprobs=True, top_logprobs=2
    )
    texts = [choice.message.content or "" for choice in done.choices]
    assert len(set(texts)) == 3
    [first, *_] = done.choices
    assert first.logprobs is not None
    assert first.logprobs.content is not None
    assert [len(token.top_logprobs) for token in first.logprobs.content] == [2] * len(first.logprobs.content)
    stopped = client.chat.completions.create(model="llama", messages=HELLO, seed=5, max_tokens=20, stop=texts[0][5:7])
    assert stopped.choices[0].message.content == texts[0][: texts[0].index(texts[0][5:7])]
    gone_on = client.completions.create(model="llama", prompt="the model", seed=5, max_tokens=6, n=2)
    assert [choice.index for choice in gone_on.choices] == [0, 1]


def test_errors_are_those_that_the_client_has_classes_for(client: openai.OpenAI, served: Served) -> None:
    with pytest.raises(openai.BadRequestError) as refused:
        client.chat.completions.create(model="llama", messages=HELLO, temperature=2.5)
    assert (refused.value.param, refused.value.code) == ("temperature", "invalid_value")
    with pytest.raises(openai.NotFoundError) as missing:
        client.chat.completions.create(model="nobody", messages=HELLO)
    assert missing.value.code == "model_not_found"
    stranger = openai.OpenAI(base_url=f"{served.root}/v1", api_key="a guess", max_retries=0)
    with stranger, pytest.raises(openai.AuthenticationError):
        stranger.models.list()
    assert httpx.get(f"{served.root}/metrics").status_code == 401


def test_the_log_has_a_line_for_each_request_and_no_progress_bars(client: openai.OpenAI, served: Served) -> None:
    client.chat.completions.create(model="gemma2", messages=HELLO, seed=1, max_tokens=5, extra_body={"min_tokens": 5})
    with pytest.raises(openai.BadRequestError):
        client.chat.completions.create(model="gemma2", messages=HELLO, temperature=2.5)
    with pytest.raises(openai.NotFoundError):
        client.chat.completions.create(model="nobody else", messages=HELLO)
    log = served.log.read_text()
    seconds = r"\d+\.\d{3} s"
    times = rf"started {seconds}, first token {seconds}, finished {seconds}"
    assert re.search(rf"INFO models_serving\.server\.answering gemma2: length: \d+ \+ 5 tokens, {times}\n", log)
    assert "answering gemma2: 400 invalid_value temperature\n" in log
    assert "app POST /v1/chat/completions: 404 model_not_found model\n" in log
    assert "%|" not in log


def test_a_stream_that_is_left_is_cancelled_and_the_metrics_say_so(client: openai.OpenAI, served: Served) -> None:
    before = served.measured("answers_total", model="qwen2", reason="cancelled")
    with client.chat.completions.create(model="qwen2", messages=HELLO, stream=True, **LONG) as stream:
        next(iter(stream))
        assert served.measured("requests_in_flight", model="qwen2") == 1
    until(lambda: served.measured("answers_total", model="qwen2", reason="cancelled") == before + 1)
    assert served.measured("requests_in_flight", model="qwen2") == 0
    assert served.measured("batch_size", model="qwen2") == 0


def test_a_killed_model_process_ends_its_answers_alone_and_is_back(client: openai.OpenAI, served: Served) -> None:
    stream = client.chat.completions.create(model="mistral", messages=HELLO, seed=1, stream=True, **LONG)
    next(iter(stream))
    os.kill(served.table()["mistral"]["pid"], signal.SIGKILL)
    with pytest.raises(openai.APIError, match="the model's process has ended"):
        list(stream)
    whole = client.chat.completions.create(model="llama", messages=HELLO, seed=1, max_tokens=5)
    assert whole.choices[0].finish_reason in ("stop", "length")
    until(lambda: served.table()["mistral"]["state"] == "ready")
    again = client.chat.completions.create(model="mistral", messages=HELLO, seed=1, max_tokens=5)
    assert len(again.choices) == 1
    assert served.measured("process_starts_total", model="mistral") == 2
    assert served.measured("answers_total", model="mistral", reason="lost") == 1
    assert {name: entry["starts"] for name, entry in served.table().items() if name != "mistral"} == {
        "gemma2": 1,
        "llama": 1,
        "qwen2": 1,
    }
