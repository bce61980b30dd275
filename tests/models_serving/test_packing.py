"""Products by weights laid out for the processor: as torch's own, and the same whoever else is in the batch."""

from pathlib import Path
from typing import Any

import pytest
import torch
from torch import nn
from transformers import AutoModelForCausalLM

from models_serving.contracts import Chunk
from models_serving.engine import packing
from models_serving.engine.exactness import is_exact
from models_serving.engine.loading import ModelSpec, load
from models_serving.engine.opening import open_model
from models_serving.engine.parameters import Parameters
from models_serving.engine.runner import Runner
from models_serving.engine.slots import Engine
from tests.models_serving import tiny
from tests.models_serving.serving import begin

DTYPES = (torch.float32, torch.bfloat16)
every_dtype = pytest.mark.parametrize("dtype", DTYPES, ids=["float32", "bfloat16"])
every_kind = pytest.mark.parametrize("kind", tiny.KINDS)
can_pack = pytest.mark.skipif(not torch.backends.mkldnn.is_available(), reason="torch is built without oneDNN")


def numbers(*shape: int, seed: int = 0) -> torch.Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed))


@can_pack
@every_dtype
@pytest.mark.parametrize("biased", [False, True])
def test_a_packed_layer_gives_what_the_plain_one_gives(dtype: torch.dtype, biased: bool) -> None:
    layer = nn.Linear(96, 40, bias=biased).to(dtype).requires_grad_(requires_grad=False)
    plain = [one.double().clone() for one in layer.parameters()]
    assert packing.pack(nn.ModuleList([layer])) == 1
    assert isinstance(layer, packing.PackedLinear)
    for shape in ((1, 96), (3, 1, 96), (2, 5, 96), (1, 200, 96), (96,)):
        given = numbers(*shape).to(dtype)
        wanted = given.double() @ plain[0].T + (plain[1] if biased else 0)
        made = layer(given)
        assert (made.shape, made.dtype) == (wanted.shape, dtype)
        torch.testing.assert_close(made.double(), wanted, rtol=0, atol=1e-5 if dtype == torch.float32 else 0.03)


@can_pack
@every_dtype
def test_a_row_of_the_product_is_the_same_however_many_there_are(dtype: torch.dtype) -> None:
    weight = packing.packed(numbers(300, 1376).to(dtype))
    rows = numbers(130, 1376, seed=1).to(dtype)
    everything = packing.product(rows, weight)
    for count in (1, 2, 3, 5, 8, 31, 64, 129):
        assert torch.equal(packing.product(rows[:count], weight), everything[:count])


@can_pack
def test_an_embedding_that_shares_its_weights_with_the_last_layer_keeps_them(tmp_path: Path) -> None:
    folder = tiny.save("llama", tmp_path, tie_word_embeddings=True)
    plain = AutoModelForCausalLM.from_pretrained(folder)
    model = load(ModelSpec("m", str(folder))).model
    assert model.lm_head.weight.is_mkldnn
    assert torch.equal(model.get_input_embeddings().weight, plain.get_input_embeddings().weight)


def test_what_cannot_be_laid_out_computes_as_before() -> None:
    class Own(nn.Linear):
        pass

    model = nn.ModuleList([nn.Linear(8, 8).half(), Own(8, 8), nn.Embedding(8, 8)])
    assert packing.pack(model) == 0
    assert [type(one) for one in model] == [nn.Linear, Own, nn.Embedding]
    weight, given = numbers(5, 8).half(), numbers(2, 8, seed=1).half()
    assert torch.equal(packing.product(given, packing.packed(weight)), nn.functional.linear(given, weight))


@can_pack
def test_a_layer_whose_product_is_not_torchs_is_left_as_it_is(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    right = packing.packed
    monkeypatch.setattr(packing, "packed", lambda weight: right(weight * 1.001))
    model = nn.ModuleDict({"one": nn.Linear(64, 64)})
    assert packing.pack(model) == 0
    assert type(model["one"]) is nn.Linear
    assert "oneDNN's product of the layer one is not torch's" in caplog.text


@can_pack
@every_kind
def test_a_packed_model_says_what_transformers_says_of_the_same_files(folders: dict[str, Path], kind: str) -> None:
    loaded = load(ModelSpec("m", str(folders[kind])))
    plain = AutoModelForCausalLM.from_pretrained(
        folders[kind], attn_implementation=loaded.model.config._attn_implementation
    ).eval()
    assert loaded.facts["layers_packed"] > 0
    ids = torch.tensor([[(5 + 37 * position) % 290 + 5 for position in range(40)]])
    with torch.inference_mode():
        torch.testing.assert_close(loaded.model(ids).logits, plain(ids).logits, rtol=1e-4, atol=1e-4)


@can_pack
@pytest.mark.parametrize(
    ("kind", "dtype"),
    [*((kind, torch.float32) for kind in tiny.KINDS), *((kind, torch.bfloat16) for kind in ("llama", "gemma2", "phi"))],
)
def test_an_answer_is_the_same_to_the_bit_whoever_shares_the_batch(
    folders: dict[str, Path], kind: str, dtype: torch.dtype
) -> None:
    """Alone; in crowds, where its prompt is computed in other pieces and in another row; and once more, with what a row
    still holds of it. Where the model's own check has found it so, as it has to with packed weights."""
    spec = ModelSpec("m", str(folders[kind]), slots=6, dtype=str(dtype).removeprefix("torch."))
    model = open_model(spec)
    model.engine.close()
    assert (model.checked["exact"], model.facts["seeds"]) == (True, "exact")
    loaded = load(spec)
    prompt = [(5 + 37 * position) % 290 + 5 for position in range(230)]
    wanted = Parameters(12, seed=7, temperature=1.0, top_p=0.9, logprobs=True, repetition_penalty=1.2)

    def said(*crowd: int, pieces: int = 512, times: int = 1) -> list[Any]:
        """Its tokens and their log-probabilities, after prompts of these lengths in a new engine, each time."""
        runner = Runner(loaded.model, loaded.layers, slots=6, max_len=loaded.max_len)
        engine = Engine(runner, loaded.tokenizer, frozenset(), prefill_tokens=pieces)
        engine.start()
        others = [([number + 5] * length, Parameters(16, seed=number, temperature=1.3))
                  for number, length in enumerate(crowd)]  # fmt: skip
        found = []
        for _ in range(times):
            heard = [heard for _, heard in begin(engine, [*others, (prompt, wanted)])]
            assert {one.end.reason for one in heard} == {"length"}
            chunks = [event for event in heard[-1].events if isinstance(event, Chunk)]
            found.append([(token.text, token.logprob) for chunk in chunks for token in chunk.tokens])
        engine.close()
        return found

    [alone] = said()
    assert len(alone) == 12
    assert said(3, 100, 57, 300, 12) + said(200, 230, pieces=48, times=2) + said(19, 19, 19, pieces=64) == [alone] * 4


def test_where_a_row_depends_on_how_many_there_are_the_model_is_not_called_exact(
    folders: dict[str, Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    right = Runner.decode

    def other(self: Runner, tokens: torch.Tensor, lengths: torch.Tensor, longest: int) -> torch.Tensor:
        logits = right(self, tokens, lengths, longest)
        return logits + 1e-6 * logits.abs() if len(tokens) > 1 else logits

    monkeypatch.setattr(Runner, "decode", other)
    model = open_model(ModelSpec("m", str(folders["llama"]), slots=2))
    model.engine.close()
    assert (model.checked["exact"], model.facts["seeds"]) == (False, "up to rounding")


def test_a_short_context_is_tried_out_as_far_as_it_goes(folders: dict[str, Path]) -> None:
    loaded = load(ModelSpec("m", str(folders["llama"]), max_len=32))
    with torch.inference_mode():
        assert is_exact(loaded.model, loaded.layers, 32) is True
