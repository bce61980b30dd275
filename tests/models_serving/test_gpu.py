"""The engine on a CUDA device. Where there is none these tests are skipped and say so."""

from pathlib import Path

import pytest
import torch

from models_serving.engine.loading import ModelSpec
from models_serving.engine.opening import open_model
from models_serving.engine.parameters import Parameters
from tests.models_serving import tiny
from tests.models_serving.serving import answer, drawn

pytestmark = [
    pytest.mark.gpu,
    pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA device here: the GPU suite was NOT RUN"),
]


@pytest.mark.parametrize("dtype", ["float32", "bfloat16", "float16"])
@pytest.mark.parametrize("kind", tiny.KINDS)
def test_every_family_passes_its_self_check_on_the_gpu(folders: dict[str, Path], kind: str, dtype: str) -> None:
    """The self-check compares with `generate()` on the same device."""
    model = open_model(ModelSpec(kind, str(folders[kind]), device="cuda", dtype=dtype, slots=3))
    text, end = answer(model, max_tokens=20, min_tokens=20, seed=3)
    model.engine.close()
    assert (end.reason, end.completion_tokens, model.facts["dtype"], model.facts["seeds"]) == (
        "length",
        20,
        dtype,
        "recorded",
    )
    assert text


def test_a_full_batch_says_what_each_says_alone_in_float32(folders: dict[str, Path]) -> None:
    model = open_model(ModelSpec("llama", str(folders["llama"]), device="cuda", dtype="float32", slots=8))
    asked = [
        ([5 + number, 9, 40 + number], Parameters(max_tokens=30, min_tokens=30, seed=number, top_p=0.9))
        for number in range(16)
    ]
    full = drawn(model.engine, asked)
    # Each is waited for before the next one comes.
    alone = [drawn(model.engine, [one])[0] for one in asked]
    model.engine.close()
    assert full == alone
    assert {len(tokens) for tokens in full} == {30}
