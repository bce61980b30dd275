"""Before a model answers anybody: the slots must say what transformers' own `generate()` says.

A mask, a window or a cache that fits a model only almost gives fluent wrong text; nothing else would notice."""

import threading
from collections.abc import Sequence
from contextlib import nullcontext
from dataclasses import replace
from functools import partial
from typing import Any

import torch

from models_serving.contracts import Chunk
from models_serving.engine.adapters import Adapter, Bank
from models_serving.engine.loading import LoadedModel, LoadError
from models_serving.engine.parameters import Parameters
from models_serving.engine.requests import Asking, Ended
from models_serving.engine.slots import Engine

_STEPS = 16
_SHORT, _MIDDLE = 5, 48
# How much less likely than the best a token may be (in logits) to count as a tie that rounding decided.
_TIE = {torch.float32: 1e-3, torch.float16: 0.05, torch.bfloat16: 0.4}


def check(
    loaded: LoadedModel, engine: Engine, bank: Bank | None = None, adapters: Sequence[Adapter] = ()
) -> dict[str, Any]:
    """Compare greedy answers with `generate()`, one by one: to prompts of different length, generated in one batch, one
    of them beyond every window that an answer can reach; to the next turn of one of them, which takes over what its row
    holds; and to one prompt through each adapter and none, in one batch. Returns what was checked; raises `LoadError`
    on a difference that rounding does not explain."""
    room = loaded.max_len - _STEPS
    lengths = [_SHORT, min(_MIDDLE, room)]
    windows = [window for window in loaded.layers.windows.values() if window and window < loaded.max_len]
    if windows and max(windows) + 8 > lengths[-1]:
        lengths.append(min(max(windows) + 8, room))
    prompts = [_prompt(loaded, length) for length in lengths]
    answers = _ours(loaded, engine, [(prompt, 0) for prompt in prompts])
    prompts.append((prompts[1] + answers[1])[: room - 1] + prompts[0][:1])
    answers += _ours(loaded, engine, [(prompts[-1], 0)])
    with bank.alone(None) if bank else nullcontext():
        for prompt, answer in zip(prompts, answers, strict=True):
            engine.between_steps(partial(_compare, loaded, loaded.name, prompt, answer))
    if bank:
        _check_adapters(loaded, engine, bank, adapters, prompts[1])
    beyond = max(lengths) + _STEPS > max(windows) if windows else None
    return {
        "prompts": [len(prompt) for prompt in prompts],
        "steps": _STEPS,
        "beyond_window": beyond,
        "adapters": [adapter.name for adapter in adapters],
    }


def _check_adapters(
    loaded: LoadedModel, engine: Engine, bank: Bank, adapters: Sequence[Adapter], prompt: list[int]
) -> None:
    answers = _ours(loaded, engine, [(prompt, number) for number in range(len(adapters) + 1)])
    for adapter, answer in zip([None, *adapters], answers, strict=True):
        with bank.alone(adapter):
            name = adapter.name if adapter else loaded.name
            engine.between_steps(partial(_compare, loaded, name, prompt, answer))


def _prompt(loaded: LoadedModel, length: int) -> list[int]:
    """Fixed tokens from all over the vocabulary."""
    size = loaded.model.get_input_embeddings().num_embeddings
    return [(7 + 7919 * position) % size for position in range(length)]


def _ours(loaded: LoadedModel, engine: Engine, asked: list[tuple[list[int], int]]) -> list[list[int]]:
    """The engine's answers to prompts, each through the adapter of its number."""
    ends: list[Ended] = []
    done = threading.Event()

    def hear(event: Chunk | Ended) -> None:
        if isinstance(event, Ended):
            ends.append(event)
        if len(ends) == len(asked):
            done.set()

    wanted = Parameters(max_tokens=_STEPS, min_tokens=_STEPS, seed=0, temperature=0.0)
    # How long loading may take as a whole is watched from outside.
    asking = Asking(seconds=3600, probe=True)
    tickets = engine.submit(
        [(prompt, replace(wanted, adapter=adapter)) for prompt, adapter in asked], [hear] * len(asked), asking
    )
    while not done.wait(0.5) and engine.alive:
        pass
    if wrong := next((end for end in ends if end.reason != "length"), None):
        raise LoadError(f"{loaded.name}: the engine cannot run this model ({wrong.error or wrong.reason})")
    if len(ends) < len(asked):
        raise LoadError(f"{loaded.name}: the engine cannot run this model (it has ended)")
    return [ticket.drawer.drawn for ticket in tickets]


def _compare(loaded: LoadedModel, name: str, prompt: list[int], answer: list[int]) -> None:
    ids = torch.tensor([prompt], device=loaded.model.device)
    with torch.inference_mode():
        theirs = loaded.model.generate(
            ids,
            attention_mask=torch.ones_like(ids),
            do_sample=False,
            num_beams=1,
            repetition_penalty=1.0,
            min_new_tokens=_STEPS,
            max_new_tokens=_STEPS,
            output_logits=True,
            return_dict_in_generate=True,
            eos_token_id=sorted(loaded.eos) or None,
            pad_token_id=0,
        )
    expected = theirs.sequences[0, len(prompt) :].tolist()
    if len(answer) != _STEPS or len(expected) != _STEPS:
        raise LoadError(f"{name}: the self-check gave {len(answer)} and {len(expected)} tokens, not {_STEPS}")
    for step, (ours, best) in enumerate(zip(answer, expected, strict=True)):
        if ours != best:
            logits = theirs.logits[step][0].float()
            gap = float(logits[best] - logits[ours])
            if gap > _TIE[loaded.model.dtype]:
                raise LoadError(
                    f"{name}: the self-check failed: after {len(prompt)} + {step} tokens the engine differs "
                    f"from generate() by {gap:.3g}; this architecture cannot be served correctly"
                )
            return
