"""Several models on one host: one that ends takes nobody with it and comes back; memory is shared by who is used."""

import asyncio
import re
import shutil
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from typing import Any

import httpx
import pytest

from models_serving.client import stream_sync
from models_serving.contracts import Chunk, Endpoint, Failed, Finished
from models_serving.engine import footprint
from models_serving.engine.loading import LoadError, ModelSpec
from models_serving.server import fleet as fleet_module
from models_serving.server.config import Wanted
from models_serving.server.fleet import Fleet, Served
from models_serving.server.memory import spoken
from models_serving.server.metrics import Seen, Tally, page
from models_serving.server.wire import ApiError
from tests.models_serving.asking import a_request, ask_sync
from tests.models_serving.serving import ModelThread, ModelThreads, RunningServer, until

SHORT: dict[str, Any] = {"max_tokens": 4, "min_tokens": 4, "seed": 1}
Starts = Callable[..., RunningServer]


def wanted(folders: dict[str, Path], kind: str, **hosted: Any) -> Wanted:
    return Wanted({"name": kind, "path": str(folders[kind]), "slots": 2, "max_len": 256}, **hosted)


@pytest.fixture
def start(monkeypatch: pytest.MonkeyPatch) -> Iterator[Starts]:
    """Start a server; it is stopped in the end."""
    monkeypatch.setattr(fleet_module, "FIRST_PAUSE", 0.01)
    running: list[RunningServer] = []

    def begin(*models: Wanted, **options: Any) -> RunningServer:
        running.append(RunningServer(models, **options))
        return running[-1]

    yield begin
    for server in running:
        server.stop()


def endpoint(server: RunningServer) -> Endpoint:
    return Endpoint("openai_compatible", f"{server.root}/v1", dialect="plurivox")


def answered(server: RunningServer, model: str) -> str:
    last = ask_sync(endpoint(server), a_request(model=model, **SHORT))[-1]
    assert isinstance(last, Finished), last
    return last.text


def table(server: RunningServer) -> dict[str, dict[str, Any]]:
    return {entry["name"]: entry for entry in httpx.get(f"{server.root}/models").json()["models"]}


def states(server: RunningServer) -> dict[str, str]:
    return {name: entry["state"] for name, entry in table(server).items()}


def test_a_model_that_ends_takes_only_itself_down_and_comes_back_the_same(
    start: Starts, folders: dict[str, Path]
) -> None:
    server = start(wanted(folders, "llama"), wanted(folders, "mistral"))
    before = {name: answered(server, name) for name in ("llama", "mistral")}
    events = stream_sync(endpoint(server), a_request(model="llama", max_tokens=200, min_tokens=200, seed=2))
    assert isinstance(next(events), Chunk)
    server.threads.threads["llama"].kill()
    lost = list(events)[-1]
    assert isinstance(lost, Failed)
    assert (lost.kind, lost.error) == ("broken", "the server reports: the model's process has ended")
    assert answered(server, "mistral") == before["mistral"]
    until(lambda: states(server)["llama"] == "ready")
    assert answered(server, "llama") == before["llama"]
    assert server.threads.lives == ["llama", "mistral", "llama"]
    assert {name: entry["starts"] for name, entry in table(server).items()} == {"llama": 2, "mistral": 1}


def test_an_unhealthy_model_is_said_to_be_so_until_it_is_back(
    start: Starts, folders: dict[str, Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    server = start(wanted(folders, "llama"), wanted(folders, "mistral"))
    monkeypatch.setattr(fleet_module, "FIRST_PAUSE", 60.0)
    server.threads.threads["llama"].kill()
    until(lambda: states(server)["llama"] == "unhealthy")
    why = "its process ended (killed); it starts again in 30 s"
    assert table(server)["llama"]["error"] == why
    ready = httpx.get(f"{server.root}/readyz")
    assert (ready.status_code, ready.json()["models"]) == (503, {"llama": f"unhealthy: {why}", "mistral": "ok"})
    assert [entry["id"] for entry in httpx.get(f"{server.root}/v1/models").json()["data"]] == ["mistral"]
    [failed] = ask_sync(endpoint(server), a_request(model="llama", **SHORT))
    assert isinstance(failed, Failed)
    assert (failed.kind, failed.retry_after) == ("busy", 2.0)
    assert failed.error == f"HTTP 503: the model 'llama' is unhealthy: {why}"
    assert '\nplurivox_model_up{model="llama"} 0\n' in httpx.get(f"{server.root}/metrics").text


def test_who_asks_for_a_model_that_is_being_loaded_comes_back_the_later_the_longer_that_takes(
    folders: dict[str, Path],
) -> None:
    served, said = Served(wanted(folders, "llama")), []
    for seconds in (0, 4.9, 11, 60):
        served.become("loading")
        served.since -= seconds
        said.append(served.look_again)
    served.become("unhealthy")
    assert [*said, served.look_again] == [1, 1, 3, 5, 2]


def test_one_that_cannot_be_loaded_leaves_the_others_alone(start: Starts, folders: dict[str, Path]) -> None:
    server = start(wanted(folders, "llama"), Wanted({"name": "lost", "path": "/nowhere/at/all"}))
    assert states(server) == {"llama": "ready", "lost": "unhealthy"}
    assert server.fleet.refusals == {"lost": "lost: /nowhere/at/all is neither a folder nor a hub id"}
    assert len(answered(server, "llama")) > 0


def test_whatever_is_wrong_with_the_files_of_a_model_is_a_refusal_with_its_reason(
    start: Starts, folders: dict[str, Path], tmp_path: Path
) -> None:
    cut, odd = (shutil.copytree(folders["llama"], tmp_path / name) for name in ("cut", "odd"))
    weights = (cut / "model.safetensors").read_bytes()
    (cut / "model.safetensors").write_bytes(weights[: len(weights) // 2])
    (odd / "chat_template.jinja").write_text("{{ messages[0]['content'] + 1 }}")
    server = start(wanted({"cut": cut}, "cut"), wanted({"odd": odd}, "odd"))
    until(lambda: len(server.fleet.refusals) == 2)
    assert server.fleet.refusals["cut"].startswith("cut: SafetensorError: ")
    assert server.fleet.refusals["odd"] == 'odd: TypeError: can only concatenate str (not "int") to str'


def test_a_model_whose_process_cannot_be_started_is_tried_again(
    start: Starts, folders: dict[str, Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    launch, faults = ModelThreads.__call__, [KeyError("odd"), OSError("no process left")]

    async def fails_twice(threads: ModelThreads, spec: Any) -> ModelThread:
        if faults:
            raise faults.pop()
        return await launch(threads, spec)

    monkeypatch.setattr(ModelThreads, "__call__", fails_twice)
    server = start(wanted(folders, "llama"))
    until(lambda: states(server)["llama"] == "ready")
    assert (faults, server.fleet.refusals, server.threads.lives) == ([], {}, ["llama"])
    assert len(answered(server, "llama")) > 0


def test_a_process_that_never_gets_ready_is_given_up_and_whoever_waits_is_told(
    start: Starts, folders: dict[str, Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    def say_nothing(thread: ModelThread, *arguments: Any) -> None:
        with thread._theirs:
            thread._theirs.recv(1)

    monkeypatch.setattr(fleet_module, "FIRST_PAUSE", 60.0)
    monkeypatch.setattr(ModelThread, "_live", say_nothing)
    server = start(wanted(folders, "llama", at_start=False), fleet_options={"load_seconds": 0.05})
    error = load(server, "llama").json()["error"]
    why = "it was not ready within 0.05 s; it starts again in 30 s"
    assert (error["code"], error["message"]) == ("model_unhealthy", f"the model 'llama' could not be loaded: {why}")


def test_nobody_is_sent_to_a_model_that_is_about_to_leave(start: Starts, folders: dict[str, Path]) -> None:
    """Two leave for a third one; while the first is being ended the second must get nobody to answer."""
    server = start(wanted(folders, "llama"), wanted(folders, "mistral"), wanted(folders, "qwen2", at_start=False))
    server.fleet.memory.place = lambda *need, **there: ("cpu", ["llama", "mistral"])  # type: ignore[method-assign] # no room but theirs
    refused: list[str] = []

    async def end() -> str:
        with pytest.raises(ApiError) as caught:
            server.fleet.line("mistral")
        refused.append(str(caught.value))
        return "ended"

    server.threads.threads["llama"].end = end  # type: ignore[method-assign] # the test stands beside the end of a process
    assert load(server, "qwen2").json()["state"] == "ready"
    assert refused == ["the model 'mistral' is being taken out of memory"]
    assert states(server) == {"llama": "unloaded", "mistral": "unloaded", "qwen2": "ready"}


def test_while_a_process_ends_its_model_is_unhealthy_and_its_memory_is_given_back_only_then(
    start: Starts, folders: dict[str, Path]
) -> None:
    server = start(wanted(folders, "llama"), wanted(folders, "mistral"))
    gone, thread = threading.Event(), server.threads.threads["llama"]

    async def end() -> str:
        assert await asyncio.to_thread(gone.wait, 60)
        return "gone"

    thread.end = end  # type: ignore[method-assign] # the test stands beside the end of a process
    thread.kill()
    until(lambda: states(server)["llama"] == "unhealthy")
    assert table(server)["llama"]["error"] == "its process is ending"
    listed = httpx.get(f"{server.root}/v1/models")
    assert (listed.status_code, [entry["id"] for entry in listed.json()["data"]]) == (200, ["mistral"])
    assert httpx.get(f"{server.root}/v1/models/llama").status_code == 404
    assert load(server, "llama").json()["error"]["code"] == "model_unhealthy"
    with ThreadPoolExecutor(1) as pool:
        unloading = pool.submit(httpx.post, f"{server.root}/models/llama/unload", timeout=60)
        until(lambda: states(server)["llama"] == "leaving")
        assert table(server)["llama"]["device"] == "cpu"
        gone.set()
        told = unloading.result().json()
    assert (told["state"], told["device"], told["bytes"]) == ("unloaded", "", 0)


def test_a_process_that_is_still_loading_is_not_waited_for(
    start: Starts, folders: dict[str, Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    killed: list[ModelThread] = []
    kill, gate = ModelThread.kill, threading.Event()

    def kill_and_note(thread: ModelThread) -> None:
        killed.append(thread)
        kill(thread)

    def opens(threads: ModelThreads, *arguments: Any) -> Any:
        assert gate.wait(60)
        raise LoadError("nobody is there any more")

    monkeypatch.setattr(ModelThread, "kill", kill_and_note)
    monkeypatch.setattr(ModelThreads, "_open", opens)
    server = start(wanted(folders, "llama", at_start=False))
    ask_sync(endpoint(server), a_request(model="llama", **SHORT))
    until(lambda: table(server)["llama"]["bytes"] > 0)
    assert httpx.post(f"{server.root}/models/llama/unload").json()["state"] == "unloaded"
    gate.set()
    assert killed == [server.threads.threads["llama"]]


def test_a_model_is_loaded_when_it_is_asked_for_and_who_asks_is_told_to_come_back(
    start: Starts, folders: dict[str, Path]
) -> None:
    server = start(wanted(folders, "llama"), wanted(folders, "mistral", at_start=False))
    assert states(server) == {"llama": "ready", "mistral": "unloaded"}
    assert httpx.get(f"{server.root}/readyz").json()["models"] == {"llama": "ok", "mistral": "unloaded"}
    [failed] = ask_sync(endpoint(server), a_request(model="mistral", **SHORT))
    assert isinstance(failed, Failed)
    assert (failed.kind, failed.retry_after) == ("busy", 1.0)
    assert failed.error == "HTTP 503: the model 'mistral' is being loaded"
    until(lambda: states(server)["mistral"] == "ready")
    assert len(answered(server, "mistral")) > 0


def one_at_a_time(start: Starts, folders: dict[str, Path], keep_seconds: float, **hosted: Any) -> RunningServer:
    """The second is there on request, in memory for one and a half."""
    needs = RunningServer([wanted(folders, "llama")])
    need = table(needs)["llama"]["bytes"]
    needs.stop()
    return start(
        wanted(folders, "llama", **hosted),
        wanted(folders, "mistral", at_start=False),
        fleet_options={"budgets": {"cpu": int(1.5 * need)}, "keep_seconds": keep_seconds},
    )


def test_a_model_without_room_says_so_to_whoever_asks_and_the_server_is_not_ready(
    start: Starts, folders: dict[str, Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    # However slow the machine is: nobody looks again meanwhile.
    monkeypatch.setattr(fleet_module, "NO_ROOM_SECONDS", 3600.0)
    need = footprint.needed(ModelSpec("m", str(folders["llama"]), slots=2, max_len=256))
    server = start(
        wanted(folders, "llama", pinned=True),
        wanted(folders, "mistral", pinned=True),
        fleet_options={"budgets": {"cpu": int(1.5 * need)}},
    )
    found = states(server)
    out = next(name for name in found if found[name] == "unloaded")
    why = f"{spoken(table(server)[out]['bytes'] or need)} do not fit on cpu beside the models that are in use"
    ready = httpx.get(f"{server.root}/readyz")
    assert (ready.status_code, ready.json()["models"][out]) == (503, f"no room: {why}")
    starts = table(server)[out]["starts"]
    for _ in range(2):
        refused = httpx.post(f"{server.root}/v1/completions", json={"model": out, "prompt": "hello"})
        error = refused.json()["error"]
        assert (refused.status_code, error["code"]) == (503, "no_room")
        assert 0 < int(refused.headers["Retry-After"]) <= 3600
        assert error["message"] == f"the model {out!r} cannot be loaded now: {why}"
    assert load(server, out).json()["error"]["code"] == "no_room"
    assert table(server)[out]["starts"] == starts + 1
    assert server.fleet.refusals == {}


def test_a_model_that_can_never_fit_or_whose_device_is_not_there_is_refused(
    start: Starts, folders: dict[str, Path]
) -> None:
    llama = wanted(folders, "llama")
    large, lost = Wanted(llama.spec | {"name": "large"}), Wanted(llama.spec | {"name": "lost", "device": "cuda:63"})
    server = start(large, lost, fleet_options={"budgets": {"cpu": 1024}})
    until(lambda: len(server.fleet.refusals) == 2)
    assert re.fullmatch(r"large: \d+ MiB never fit on cpu, where 0 MiB may be taken", server.fleet.refusals["large"])
    assert server.fleet.refusals["lost"] == "lost: there is no device cuda:63 here, only cpu"
    assert server.fleet.refused.is_set()
    assert httpx.get(f"{server.root}/readyz").status_code == 503


def test_a_refusal_of_a_model_that_was_not_to_be_there_from_the_start_ends_no_server(start: Starts) -> None:
    server = start(Wanted({"name": "lost", "path": "/nowhere/at/all"}, at_start=False))
    assert load(server, "lost").status_code == 503
    assert (list(server.fleet.refusals), server.fleet.refused.is_set()) == (["lost"], False)


def load(server: RunningServer, name: str) -> httpx.Response:
    name, _, query = name.partition("?")
    return httpx.post(f"{server.root}/models/{name}/load?{query}", timeout=60)


def test_the_one_that_was_not_used_leaves_for_the_one_that_is_asked_for(
    start: Starts, folders: dict[str, Path]
) -> None:
    server = one_at_a_time(start, folders, keep_seconds=0.0)
    first = answered(server, "llama")
    assert load(server, "mistral").json()["state"] == "ready"
    assert states(server) == {"llama": "unloaded", "mistral": "ready"}
    assert load(server, "llama").status_code == 200
    assert states(server) == {"llama": "ready", "mistral": "unloaded"}
    assert answered(server, "llama") == first


@pytest.mark.parametrize(("keep_seconds", "pinned"), [(300.0, False), (0.0, True)])
def test_neither_one_that_was_used_just_now_nor_a_pinned_one_leaves(
    start: Starts, folders: dict[str, Path], keep_seconds: float, pinned: bool
) -> None:
    server = one_at_a_time(start, folders, keep_seconds, pinned=pinned)
    refused = load(server, "mistral")
    error = refused.json()["error"]
    assert (refused.status_code, error["code"]) == (503, "no_room")
    assert error["message"].endswith("do not fit on cpu beside the models that are in use")
    assert states(server) == {"llama": "ready", "mistral": "unloaded"}


def test_one_that_somebody_goes_on_talking_to_leaves_for_no_other(start: Starts, folders: dict[str, Path]) -> None:
    server = one_at_a_time(start, folders, keep_seconds=0.0)
    talk = a_request(model="llama", **SHORT)
    ours = replace(endpoint(server), dialect="plurivox")
    assert isinstance(ask_sync(ours, replace(talk, hold=600.0))[-1], Finished)
    # A shorter word does not take the longer one back.
    assert isinstance(ask_sync(ours, replace(talk, hold=1.0))[-1], Finished)
    assert 500 < table(server)["llama"]["held_seconds"] <= 600
    assert load(server, "mistral").json()["error"]["code"] == "no_room"
    server.fleet.models["llama"].held_until = 0.0
    assert load(server, "mistral?hold_seconds=600").json()["held_seconds"] > 500
    assert load(server, "llama").json()["error"]["code"] == "no_room"
    wrong = [load(server, f"mistral?hold_seconds={seconds}").json()["error"]["param"] for seconds in ("-1", "nan", "x")]
    assert wrong == ["hold_seconds"] * 3


def test_processor_threads_are_shared_among_those_that_compute_on_processors(folders: dict[str, Path]) -> None:
    both = [wanted(folders, "llama"), Wanted({**wanted(folders, "mistral").spec, "device": "cpu"})]
    plan = {"devices": {"cpu": 1}, "processors": 8}
    assert Fleet(both, ModelThreads())._share(plan) == 4
    assert Fleet(both, ModelThreads())._share(plan | {"devices": {"cpu": 1, "cuda:0": 1}}) == 8
    assert Fleet(both, ModelThreads())._share(plan | {"processors": 1}) == 1
    assert Fleet(both, ModelThreads(), threads=3)._share(plan) == 3


def test_a_model_that_answers_somebody_neither_leaves_nor_can_be_taken_out(
    start: Starts, folders: dict[str, Path]
) -> None:
    server = one_at_a_time(start, folders, keep_seconds=0.0)
    gate, runner = threading.Event(), server.model("llama").engine._runner
    decode = runner.decode

    def held(*step: Any) -> Any:
        assert gate.wait(60)
        return decode(*step)

    runner.decode = held  # type: ignore[method-assign] # the test holds the engine
    events = stream_sync(endpoint(server), a_request(model="llama", max_tokens=20, min_tokens=20, seed=1))
    assert isinstance(next(events), Chunk)
    assert load(server, "mistral").status_code == 503
    busy = httpx.post(f"{server.root}/models/llama/unload")
    assert (busy.status_code, busy.json()["error"]["code"]) == (409, "model_in_use")
    gate.set()
    assert isinstance(list(events)[-1], Finished)
    until(lambda: table(server)["llama"]["in_flight"] == 0)
    assert httpx.post(f"{server.root}/models/llama/unload").json()["state"] == "unloaded"
    assert (table(server)["llama"]["device"], table(server)["llama"]["bytes"]) == ("", 0)


def test_a_process_that_does_not_hear_is_killed_and_started_again(
    start: Starts, folders: dict[str, Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(fleet_module, "LOOK_SECONDS", 0.02)
    server = start(wanted(folders, "llama"))
    line = server.fleet.models["llama"].line
    assert line is not None

    async def nothing_came() -> None:
        raise TimeoutError

    monkeypatch.setattr(line, "state", nothing_came)
    until(lambda: server.threads.lives == ["llama", "llama"] and states(server)["llama"] == "ready")
    assert len(answered(server, "llama")) > 0


def test_the_metrics_page_says_what_passed(start: Starts, folders: dict[str, Path]) -> None:
    server = start(wanted(folders, "llama"))
    model = 'model="llama"'
    for _ in range(2):
        answered(server, "llama")
        assert httpx.get(f"{server.root}/readyz").status_code == 200
        server.desk._ready = (0.0, {})
    refused = a_request(model="llama", temperature=5.0)
    ask_sync(endpoint(server), refused)
    values = metrics_of(server)
    # Neither the self-check nor what `/readyz` asked is among it.
    counted = {
        f'plurivox_answers_total{{{model},reason="length"}}': 2,
        f'plurivox_refused_total{{{model},why="invalid"}}': 1,
        f"plurivox_completion_tokens_total{{{model}}}": 8,
        f"plurivox_generated_tokens_total{{{model}}}": 8,
        f"plurivox_first_token_seconds_count{{{model}}}": 2,
        f'plurivox_first_token_seconds_bucket{{{model},le="+Inf"}}': 2,
        f"plurivox_between_tokens_seconds_count{{{model}}}": 6,
        f"plurivox_queued_seconds_count{{{model}}}": 2,
        f"plurivox_decode_rows_total{{{model}}}": 6,
        f"plurivox_model_up{{{model}}}": 1,
        f"plurivox_queue_length{{{model}}}": 0,
        f"plurivox_process_starts_total{{{model}}}": 1,
    }
    assert {name: values[name] for name in counted} == counted
    assert values[f'plurivox_memory_bytes{{{model},device="cpu"}}'] > 1e6


def metrics_of(server: RunningServer) -> dict[str, float]:
    text = httpx.get(f"{server.root}/metrics").text
    return {name: float(value) for name, value in re.findall(r"^([^#\s]\S*) (\S+)$", text, re.MULTILINE)}


def test_every_line_of_the_metrics_page_has_the_form_that_prometheus_reads() -> None:
    odd = Seen('a"b\\c\n', "cpu", Tally(), True, 0, 5, {}, {})
    lines = page([odd], {"cpu": 100}).splitlines()
    sample = re.compile(r'plurivox_[a-z_]+\{([a-z_]+="(?:[^"\\\n]|\\["\\n])*",?)*\} [0-9.e+]+')
    assert [line for line in lines if not line.startswith(("# HELP ", "# TYPE ")) and not sample.fullmatch(line)] == []
    assert 'plurivox_model_up{model="a\\"b\\\\c\\n"} 1' in lines
    assert 'plurivox_memory_budget_bytes{device="cpu"} 100' in lines
