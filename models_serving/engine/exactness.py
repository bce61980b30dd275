"""Whether an answer depends on who shares the batch, to the bit.

It does where the arithmetic of a row changes with the number of rows beside it. On a processor with packed weights (see
`packing`), pieces of prompts of even size and columns in even numbers (see `runner`) it mostly does not; some functions
of some models are computed by libraries that treat the last numbers of a long row of them differently. So it is tried
out, on the model as it was loaded."""

from collections.abc import Sequence
from typing import Any

import torch

from models_serving.engine.runner import Adapts, Layers, Runner

_LENGTHS, _STEPS, _PIECE = (37, 100, 9, 180, 61), 8, 48


def is_exact(model: Any, layers: Layers, max_len: int, bank: Adapts | None = None, adapters: int = 0) -> bool:
    """Whether prompts of different lengths, alone and in one piece as far as they are computed so, and the tokens after
    them, have the same logits together and in other pieces; through each of the `adapters` of the bank and none.
    Computes with the model."""
    size = model.get_input_embeddings().num_embeddings
    longest = min(max_len, max(_LENGTHS) + _STEPS)
    prompts = [_tokens(number, min(length, longest - _STEPS), size) for number, length in enumerate(_LENGTHS)]
    through = [number % (adapters + 1) for number in range(len(prompts))]
    together = Runner(model, layers, slots=len(prompts), max_len=longest, adapters=bank)
    said = _logits(together, prompts, through, _PIECE)
    for prompt, adapter, others in zip(prompts, through, said, strict=True):
        alone = Runner(model, layers, slots=1, max_len=longest, adapters=bank)
        (own,) = _logits(alone, [prompt], [adapter], alone.widest)
        if not torch.equal(own, others):
            return False
    return True


def _tokens(number: int, length: int, size: int) -> list[int]:
    return [(11 + number + 7919 * position) % size for position in range(length)]


def _logits(runner: Runner, prompts: Sequence[list[int]], through: Sequence[int], piece: int) -> list[torch.Tensor]:
    """Of each prompt the logits after it and after each of some tokens, `[tokens, vocabulary]`."""
    found: list[list[torch.Tensor]] = [[] for _ in prompts]
    for begin in range(0, max(map(len, prompts)), piece):
        rows = [row for row, prompt in enumerate(prompts) if len(prompt) > begin]
        runner.use_adapters([through[row] for row in rows])
        logits = runner.prefill(rows, [prompts[row][begin : begin + piece] for row in rows], [begin] * len(rows))
        for row, one in zip(rows, logits, strict=True):
            if len(prompts[row]) <= begin + piece:
                found[row].append(one)
    runner.use_adapters(through)
    lengths = torch.tensor([len(prompt) for prompt in prompts])
    for step in range(_STEPS - 1):
        # whichever, but the same for a prompt alone and beside others
        tokens = torch.tensor([prompt[step % len(prompt)] for prompt in prompts])
        for row, one in enumerate(runner.decode(tokens, lengths + step, int(lengths.max()) + step)):
            found[row].append(one)
    return [torch.stack(logits) for logits in found]
