"""What is loaded, what is refused, and what is said of it."""

import json
import shutil
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file, save_file

from models_serving.contracts import Message
from models_serving.engine.loading import LoadError, ModelSpec, load
from models_serving.engine.opening import open_model, use_threads
from models_serving.engine.parameters import InvalidRequestError
from models_serving.engine.provenance import driver_version
from tests.models_serving import tiny


def refused(path: Path | str, **spec: Any) -> str:
    with pytest.raises(LoadError) as caught:
        load(ModelSpec("m", str(path), **spec))
    return str(caught.value)


def change_config(folder: Path, **changes: Any) -> None:
    file = folder / "config.json"
    file.write_text(json.dumps(json.loads(file.read_text()) | changes))


def test_a_hub_id_without_a_full_commit_hash_is_refused() -> None:
    message = "m: a hub id needs `revision`, the full commit hash; a name can move"
    assert refused("somebody/some-model") == message
    assert refused("somebody/some-model", revision="main") == message
    assert refused("no such folder") == "m: no such folder is neither a folder nor a hub id"


def test_weights_other_than_safetensors_are_refused(tmp_path: Path) -> None:
    folder = tiny.save("llama", tmp_path / "pickled")
    (folder / "model.safetensors").unlink()
    torch.save({}, folder / "pytorch_model.bin")
    assert refused(folder) == "m: no *.safetensors in pickled; other weight formats are not loaded"


def test_a_model_with_code_of_its_own_is_refused(tmp_path: Path) -> None:
    folder = tiny.save("llama", tmp_path)
    change_config(folder, model_type="homemade", auto_map={"AutoConfig": "code.C", "AutoModelForCausalLM": "code.M"})
    (folder / "code.py").write_text("raise SystemExit('this must never run')")
    assert "trust_remote_code" in refused(folder)


OWN_CODE = """
from transformers import LlamaConfig, LlamaForCausalLM
class OwnConfig(LlamaConfig):
    model_type = "own"
class OwnModel(LlamaForCausalLM):
    config_class = OwnConfig
"""


def test_a_model_with_code_of_its_own_is_run_only_where_its_entry_says_so(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("transformers.dynamic_module_utils.HF_MODULES_CACHE", str(tmp_path / "cache"))
    monkeypatch.syspath_prepend(str(tmp_path / "cache"))
    folder = tiny.save("llama", tmp_path / "own")
    change_config(
        folder,
        model_type="own",
        architectures=["OwnModel"],
        auto_map={"AutoConfig": "own.OwnConfig", "AutoModelForCausalLM": "own.OwnModel"},
    )
    (folder / "own.py").write_text(OWN_CODE)
    assert "trust_remote_code" in refused(folder)
    facts = load(ModelSpec("m", str(folder), remote_code=True)).facts
    assert (facts["architecture"], len(facts["code_sha256"])) == ("OwnModel", 64)
    change_config(folder, auto_map={"AutoConfig": "somebody/else--own.OwnConfig"})
    message = "m: config.json names code of another repository; only code of its own is run"
    assert refused(folder, remote_code=True) == message


def test_a_model_without_a_chat_template_goes_on_from_texts_and_needs_one_for_conversations(tmp_path: Path) -> None:
    folder = tiny.save("llama", tmp_path, template=False)
    base = load(ModelSpec("m", str(folder)))
    assert (base.raw_prompt("hello") != [], base.facts["template_sha256"]) == (True, "")
    with pytest.raises(InvalidRequestError, match=r"^the model has no chat template: it goes on from texts") as caught:
        base.prompt([Message("user", "a")])
    assert (caught.value.parameter, caught.value.code) == ("messages", "no_chat_template")
    given = tmp_path / "given.jinja"
    given.write_text("{% for m in messages %}{{ m.content }}{% endfor %}")
    assert load(ModelSpec("m", str(folder), chat_template=str(given))).prompt([Message("user", "a")]) != []
    given.write_text("{{ raise_exception('never') }}")
    assert refused(folder, chat_template=str(given)) == "m: the chat template refuses a plain question: never"
    given.write_bytes(b"\xff")
    assert refused(folder, chat_template=str(given)).startswith("m: the chat template cannot be read: 'utf-8' codec")


def test_of_several_chat_templates_the_default_one_is_taken(tmp_path: Path) -> None:
    plain = load(ModelSpec("m", str(tiny.save("llama", tmp_path / "plain"))))
    folder = tiny.save("llama", tmp_path / "two")
    (folder / "additional_chat_templates").mkdir()
    (folder / "additional_chat_templates" / "tool_use.jinja").write_text("{{ tools }}")
    two = load(ModelSpec("m", str(folder)))
    assert two.facts["template_sha256"] == plain.facts["template_sha256"]
    assert two.prompt([Message("user", "a")]) == plain.prompt([Message("user", "a")])
    (folder / "chat_template.jinja").unlink()
    assert refused(folder) == (
        "m: none of the model's chat templates (tool_use) is its default; name a Jinja file as `chat_template`"
    )


def test_weights_that_the_model_has_no_place_for_are_said(tmp_path: Path) -> None:
    folder = tiny.save("llama", tmp_path)
    tensors = load_file(folder / "model.safetensors")
    more = {f"model.layers.{layer}.self_attn.q_proj.bias": torch.ones(32) for layer in (0, 1)}
    save_file(tensors | more, folder / "model.safetensors", metadata={"format": "pt"})
    assert load(ModelSpec("m", str(folder))).facts["weights_not_used"] == ["model.layers.*.self_attn.q_proj.bias"]


def test_a_folder_has_no_revision(folders: dict[str, Path]) -> None:
    told = f"m: {folders['llama']} is a folder here; `revision` belongs to a hub id"
    assert refused(folders["llama"], revision="a" * 40) == told


def test_an_end_beyond_the_vocabulary_is_none(tmp_path: Path) -> None:
    folder = tiny.save("llama", tmp_path)
    tiny.set_generation_config(folder, eos_token_id=[1, 5000])
    opened = open_model(ModelSpec("m", str(folder), slots=1))
    opened.engine.close()
    assert opened.facts["eos"] == [1]


def test_a_default_of_the_model_that_no_request_could_carry_is_refused(tmp_path: Path) -> None:
    folder = tiny.save("llama", tmp_path)
    tiny.set_generation_config(folder, do_sample=True, temperature=5.0)
    assert refused(folder) == "m: generation_config.json: temperature must be from 0 to 2, not 5.0"


def test_the_version_of_a_gpus_driver_is_what_the_kernel_tells(tmp_path: Path) -> None:
    told = tmp_path / "version"
    assert driver_version(told) == ""
    told.write_text(
        "NVRM version: NVIDIA UNIX Open Kernel Module for x86_64  580.65.06  Release Build  (root@host)\n"
        "GCC version:  gcc version 12.2.0\n"
    )
    assert driver_version(told) == "580.65.06"


def test_attention_without_key_value_slots_is_refused(tmp_path: Path) -> None:
    folder = tiny.save("qwen2", tmp_path)
    change_config(folder, layer_types=["full_attention", "linear_attention"])
    assert "linear_attention" in refused(folder)


def test_a_tokenizer_that_lacks_a_part_is_refused_with_its_name(tmp_path: Path) -> None:
    folder = tiny.save("llama", tmp_path)
    (folder / "tokenizer.json").write_text("{}")
    assert refused(folder) == "m: 'added_tokens' is missing in the model's files"


def test_weights_that_are_not_all_there_are_refused(tmp_path: Path) -> None:
    folder = tiny.save("llama", tmp_path)
    change_config(folder, num_hidden_layers=3)
    assert refused(folder).startswith("m: the weights lack model.layers.2.")


def test_lengths_dtypes_and_devices_that_do_not_exist_are_refused(folders: dict[str, Path]) -> None:
    assert refused(folders["llama"], max_len=513) == "m: max_len is from 32 to 512 for this model, not 513"
    assert refused(folders["llama"], dtype="int3") == "m: dtype is auto, float32, bfloat16, float16, not int3"
    if not torch.cuda.is_available():
        assert refused(folders["llama"], device="cuda") == "m: there is no CUDA device"


def test_the_facts_identify_the_exact_state(folders: dict[str, Path], tmp_path: Path) -> None:
    one, again = (load(ModelSpec("m", str(folders["llama"]))).facts for _ in range(2))
    assert one == again
    assert one["architecture"] == "LlamaForCausalLM"
    assert (one["dtype"], one["max_len"], one["eos"], one["seeds"]) == ("float32", 512, [1], "up to rounding")
    assert (one["attention"], one["code_sha256"], len(one["engine_build"])) == ("sdpa", "", 16)
    other = load(ModelSpec("m", str(tiny.save("llama", tmp_path / folders["llama"].name, seed=1)))).facts
    changed = {name for name in one if one[name] != other[name]}
    assert changed == {"weights_sha256"}
    half = load(ModelSpec("m", str(folders["llama"]), dtype="bfloat16")).facts
    assert {name for name in one if one[name] != half[name]} == {"dtype", "seeds"}


def test_the_models_own_sampling_defaults_hold_where_nothing_is_asked(tmp_path: Path) -> None:
    folder = tiny.save("llama", tmp_path)
    tiny.set_generation_config(folder, do_sample=True, temperature=0.6, top_k=20, eos_token_id=[1, 4])
    loaded = load(ModelSpec("m", str(folder)))
    assert (loaded.defaults, loaded.eos) == ({"temperature": 0.6, "top_k": 20}, frozenset({1, 4}))
    tiny.set_generation_config(folder, temperature=0.6, repetition_penalty=1.1)
    assert load(ModelSpec("m", str(folder))).defaults == {"repetition_penalty": 1.1}


def test_rules_of_the_model_that_are_not_followed_are_said(tmp_path: Path) -> None:
    folder = tiny.save("llama", tmp_path)
    rules = {"no_repeat_ngram_size": 3, "suppress_tokens": [7], "typical_p": 0.9, "renormalize_logits": True}
    tiny.set_generation_config(
        folder, do_sample=True, temperature=0.6, num_beams=1, length_penalty=1.0, min_length=0, max_length=20, **rules
    )
    opened = open_model(ModelSpec("m", str(folder), slots=1))
    opened.engine.close()
    assert opened.facts["not_followed"] == rules


def test_every_file_of_the_tokenizer_counts(folders: dict[str, Path], tmp_path: Path) -> None:
    folder = shutil.copytree(folders["llama"], tmp_path / "model")
    hashes = [load(ModelSpec("m", str(folder))).facts["tokenizer_sha256"]]
    for name in ("merges.txt", "vocab.json"):
        (folder / name).write_text("{}")
        hashes.append(load(ModelSpec("m", str(folder))).facts["tokenizer_sha256"])
    assert len(set(hashes)) == 3


def test_a_context_that_changes_with_its_length_is_kept_below_that_length(tmp_path: Path) -> None:
    rope = {"rope_type": "dynamic", "factor": 4.0, "rope_theta": 10000.0, "original_max_position_embeddings": 128}
    folder = tiny.save("llama", tmp_path, rope_parameters=rope)
    assert load(ModelSpec("m", str(folder))).max_len == 128
    assert refused(folder, max_len=256) == "m: max_len is from 32 to 128 for this model, not 256"


@pytest.mark.parametrize(("there", "wanted", "said"), [(4, 4, []), (4, 2, [2])])
def test_the_number_of_processor_threads_is_set_only_where_it_is_another(
    monkeypatch: pytest.MonkeyPatch, there: int, wanted: int, said: list[int]
) -> None:
    told: list[int] = []
    monkeypatch.setattr(torch, "get_num_threads", lambda: there)
    monkeypatch.setattr(torch, "set_num_threads", told.append)
    use_threads(wanted)
    assert told == said
