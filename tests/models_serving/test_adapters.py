"""LoRA adapters on one base: each answers as the merged model would, in one batch with the others and the base."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
import torch
from safetensors.torch import load_file, save_file

from models_serving.contracts import Finished, Message
from models_serving.engine import adapters as adapters_module
from models_serving.engine import footprint
from models_serving.engine.adapters import read
from models_serving.engine.loading import LoadError, ModelSpec, load
from models_serving.engine.opening import OpenModel, open_all, open_model
from models_serving.server.config import ConfigError, Wanted, wanted_models
from tests.models_serving import tiny
from tests.models_serving.asking import a_request, ask_sync
from tests.models_serving.serving import RunningServer, begin, drawn
from tests.models_serving.test_fleet import endpoint

GREEDY: dict[str, Any] = {"temperature": 0.0, "max_tokens": 24, "min_tokens": 24}
LONG = "the model says one word after another, what a day, what a night " * 3
NAMES = ("base", "kind", "stern")


@pytest.fixture(scope="module")
def adapters(folders: dict[str, Path], tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """Two adapters of different rank and scale."""
    made = tmp_path_factory.mktemp("adapters")
    return {
        "kind": tiny.save_adapter(folders["llama"], made / "kind", seed=1),
        "stern": tiny.save_adapter(folders["llama"], made / "stern", seed=2, rank=2, use_rslora=True),
    }


@pytest.fixture(scope="module")
def models(folders: dict[str, Path], adapters: dict[str, Path]) -> Iterator[dict[str, OpenModel]]:
    named = {name: str(folder) for name, folder in adapters.items()}
    opened = open_all(ModelSpec("base", str(folders["llama"]), slots=4, adapters=named))
    yield opened
    opened["base"].engine.close()


def prepared(model: OpenModel, text: str, **wanted: Any) -> Any:
    return model.prepare([Message("user", text)], GREEDY | wanted)[0]


@pytest.mark.parametrize("name", NAMES)
def test_an_adapter_says_what_the_merged_model_says(
    models: dict[str, OpenModel], folders: dict[str, Path], adapters: dict[str, Path], tmp_path: Path, name: str
) -> None:
    folder = tiny.merge(folders["llama"], adapters[name], tmp_path) if name in adapters else folders["llama"]
    merged = open_model(ModelSpec("merged", str(folder), slots=1))
    expected = drawn(merged.engine, [prepared(merged, LONG)])
    merged.engine.close()
    assert drawn(models["base"].engine, [prepared(models[name], LONG)]) == expected


def test_an_adapter_that_is_not_computed_right_is_refused_at_load(
    folders: dict[str, Path], adapters: dict[str, Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    joined = adapters_module._joined

    def wrong(*arguments: Any) -> Any:
        down, up, owners = joined(*arguments)
        return down, torch.where(owners == 2, -up, up), owners

    monkeypatch.setattr(adapters_module, "packed", lambda weight: weight)
    monkeypatch.setattr(adapters_module, "_joined", wrong)
    named = {name: str(folder) for name, folder in adapters.items()}
    with pytest.raises(LoadError, match="stern: the self-check failed"):
        open_all(ModelSpec("base", str(folders["llama"]), slots=4, adapters=named))


def test_in_one_batch_each_says_what_it_says_alone(models: dict[str, OpenModel]) -> None:
    """One prompt for all: what one adapter computed of it must be taken over by nobody else."""
    engine = models["base"].engine
    asked = [prepared(models[name], LONG, temperature=1.0, seed=5) for name in NAMES]
    alone = [drawn(engine, [one])[0] for one in asked]
    assert len({tuple(tokens) for tokens in alone}) == 3
    assert drawn(engine, asked) == alone
    assert drawn(engine, asked[::-1]) == alone[::-1]


def test_what_the_same_adapter_computed_is_taken_over(models: dict[str, OpenModel]) -> None:
    engine = models["base"].engine
    for _ in range(2):
        [(_, heard)] = begin(engine, [prepared(models["kind"], LONG + "!")])
        end = heard.end
    assert end.reused_tokens == end.prompt_tokens - 1


def test_each_has_an_exact_state_of_its_own(models: dict[str, OpenModel]) -> None:
    assert len({model.fingerprint for model in models.values()}) == 3
    assert models["base"].checked["adapters"] == ["kind", "stern"]
    assert models["base"].checked["exact"] is True
    assert "adapter" not in models["base"].facts
    assert models["kind"].facts["adapter"]["name"] == "kind"
    assert models["kind"].facts["weights_sha256"] == models["base"].facts["weights_sha256"]


def test_adapters_are_served_as_models_of_their_own(folders: dict[str, Path], adapters: dict[str, Path]) -> None:
    spec = {"name": "base", "path": str(folders["llama"]), "slots": 4}
    server = RunningServer([Wanted(spec | {"adapters": {name: str(path) for name, path in adapters.items()}})])
    texts = {}
    for name in NAMES:
        last = ask_sync(endpoint(server), a_request(LONG, model=name, **GREEDY))[-1]
        assert isinstance(last, Finished)
        texts[name] = last.text
        assert last.report["plurivox"]["revision"] == server.model(name).facts
    assert len(set(texts.values())) == 3
    listed = httpx.get(f"{server.root}/v1/models").json()["data"]
    assert [(entry["id"], entry.get("parent")) for entry in listed] == [
        ("base", None),
        ("kind", "base"),
        ("stern", "base"),
    ]
    [row] = httpx.get(f"{server.root}/models").json()["models"]
    assert row["answers_to"] == list(NAMES)
    server.stop()


@pytest.mark.parametrize(
    ("settings", "error"),
    [
        ({"peft_type": "IA3"}, "bad: only LoRA adapters are served, not IA3"),
        ({"use_dora": True}, "bad: adapters with use_dora = True are not served"),
        ({"lora_alpha": None}, "bad: adapter_config.json names no lora_alpha"),
        ({"bias": "all"}, "bad: adapters with bias = 'all' are not served"),
        ({"modules_to_save": ["lm_head"]}, "bad: adapters with modules_to_save = ['lm_head'] are not served"),
        ({"use_qalora": True}, "bad: adapters with use_qalora = True are not served"),
        ({"alora_invocation_tokens": [5]}, "bad: adapters with alora_invocation_tokens = [5] are not served"),
        ({"init_lora_weights": "pissa"}, "bad: adapters with init_lora_weights = 'pissa' are not served"),
        ({"rank_of_tomorrow": 3}, "bad: adapters with rank_of_tomorrow = 3 are not served"),
    ],
)
def test_what_is_not_computed_is_refused_by_its_name(
    folders: dict[str, Path], tmp_path: Path, settings: dict[str, Any], error: str
) -> None:
    folder = tiny.save_adapter(folders["llama"], tmp_path, seed=1, **settings)
    with pytest.raises(LoadError) as refused:
        open_all(ModelSpec("base", str(folders["llama"]), adapters={"bad": str(folder)}))
    assert str(refused.value) == error


def test_a_plain_configuration_as_peft_writes_it_is_taken(folders: dict[str, Path], tmp_path: Path) -> None:
    off = ["alora_invocation_tokens", "arrow_config", "auto_mapping", "corda_config", "eva_config", "exclude_modules"]
    off += [
        "layer_replication",
        "layers_pattern",
        "layers_to_transform",
        "megatron_config",
        "modules_to_save",
        "revision",
    ]
    off += ["target_parameters", "trainable_token_indices"]
    switches = ["ensure_weight_tying", "fan_in_fan_out", "lora_bias", "use_dora", "use_qalora", "use_rslora"]
    settings: dict[str, Any] = dict.fromkeys(off) | dict.fromkeys(switches, False)
    settings |= {
        "init_lora_weights": "gaussian",
        "lora_dropout": 0.1,
        "rank_pattern": {"q_proj": 4},
        "loftq_config": {},
    }
    settings |= {
        "alpha_pattern": {},
        "megatron_core": "megatron.core",
        "qalora_group_size": 16,
        "task_type": "CAUSAL_LM",
    }
    settings |= {"inference_mode": True, "peft_version": "0.18.0", "target_modules": ["q_proj", "v_proj"]}
    folder = tiny.save_adapter(folders["llama"], tmp_path, seed=1, **settings)
    model = load(ModelSpec("base", str(folders["llama"]))).model
    assert len(read("kind", folder, model).layers) == 6


@pytest.mark.parametrize(
    ("change", "error"),
    [
        ("lm_head.lora_embedding_A", "bad: the adapter's base_model.model.lm_head.lora_embedding_A is not served"),
        (
            "model.nowhere.lora_A.weight",
            "bad: the model has no linear layer model.nowhere for both halves of the adapter",
        ),
        (
            "model.layers.0.self_attn.q_proj.lora_A.weight",
            "bad: the adapter does not fit the model's model.layers.0.self_attn.q_proj",
        ),
    ],
)
def test_tensors_that_have_no_place_are_refused(
    folders: dict[str, Path], tmp_path: Path, change: str, error: str
) -> None:
    folder = tiny.save_adapter(folders["llama"], tmp_path, seed=1)
    file = folder / "adapter_model.safetensors"
    tensors = load_file(file)
    tensors[f"base_model.model.{change}"] = next(iter(tensors.values()))[:3, :3].contiguous()
    save_file(tensors, file)
    with pytest.raises(LoadError) as refused:
        open_all(ModelSpec("base", str(folders["llama"]), adapters={"bad": str(folder)}))
    assert str(refused.value) == error


def test_a_folder_without_an_adapter_is_refused(folders: dict[str, Path], tmp_path: Path) -> None:
    with pytest.raises(LoadError, match=r"bad: .* holds no adapter that can be read"):
        open_all(ModelSpec("base", str(folders["llama"]), adapters={"bad": str(tmp_path)}))


def test_adapters_are_named_in_the_file_or_on_the_command_line(tmp_path: Path) -> None:
    file = tmp_path / "models.yaml"
    file.write_text("- {name: base, path: b, adapters: {kind: a/kind}}\n")
    [one] = wanted_models(str(file), [], None, [f"stern=base:{tmp_path}"])
    assert one.adapters == {"kind": str(tmp_path / "a" / "kind"), "stern": str(tmp_path)}
    for wrong in ("stern", "stern=nobody:x", "=base:x", "stern=base:"):
        with pytest.raises(ConfigError, match="--adapter takes NAME=MODEL:PATH"):
            wanted_models(str(file), [], None, [wrong])
    with pytest.raises(ConfigError, match="two models have the same name"):
        wanted_models(str(file), [], None, ["kind=base:x"])


def test_the_memory_forecast_counts_weights_cache_and_adapters(
    folders: dict[str, Path], adapters: dict[str, Path], tmp_path: Path
) -> None:
    def needed(**changes: Any) -> int:
        return footprint.needed(ModelSpec("base", str(folders["llama"]), device="cpu", **changes))

    small = needed(slots=1, max_len=32)
    # 2 layers, keys and values, 2 heads of 8 numbers of 4 bytes; of columns there are 64, 128, 192, …
    assert needed(slots=3, max_len=65) - small == (3 * 128 - 64) * 2 * 2 * 2 * 8 * 4
    # What its file holds once is held twice: for the embedding, and laid out anew for the last layer.
    tied = tiny.save("llama", tmp_path, tie_word_embeddings=True)
    assert footprint.needed(ModelSpec("tied", str(tied), device="cpu", slots=1, max_len=32)) == small
    numbers = sum(tensor.numel() for tensor in load_file(adapters["kind"] / "adapter_model.safetensors").values())
    # The other one has half the rank.
    alone = needed(slots=1, max_len=32, adapters={"kind": str(adapters["kind"])})
    both = needed(slots=1, max_len=32, adapters={name: str(path) for name, path in adapters.items()})
    assert (alone - small, both - small) == (numbers * 4, numbers * 4 + numbers * 2)
    assert json.loads((folders["llama"] / "config.json").read_text())["num_key_value_heads"] == 2
