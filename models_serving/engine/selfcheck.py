"""Before a model answers anybody: the slots must say what transformers' own `generate()` says.

A mask, a window or a cache that fits a model only almost gives fluent wrong text; nothing else would notice."""

import threading
from typing import Any

import torch

from models_serving.contracts import Chunk
from models_serving.engine.loading import LoadedModel, LoadError
from models_serving.engine.parameters import Parameters
from models_serving.engine.requests import Asking, Ended
from models_serving.engine.slots import Engine

_STEPS = 16
_SHORT = 5
_LONGEST = 768
# How much less likely than the best a token may be (in logits) to count as a tie that rounding decided.
_TIE = {torch.float32: 1e-3, torch.float16: 0.05, torch.bfloat16: 0.4}


def check(loaded: LoadedModel, engine: Engine) -> dict[str, Any]:
    """Compare greedy answers with `generate()`, one by one: to two prompts of different length, generated in one batch,
    and to the next turn of the longer one, which takes over what its row holds. Returns what was checked; raises
    `LoadError` on a difference that rounding does not explain."""
    windows = [window for window in loaded.layers.windows.values() if window]
    room = loaded.max_len - _STEPS
    long = min(max([48, *(window + 8 for window in windows)]), room, _LONGEST)
    prompts = [_prompt(loaded, length) for length in (_SHORT, long)]
    answers = _ours(loaded, engine, prompts)
    prompts.append((prompts[1] + answers[1])[: room - 1] + prompts[0][:1])
    answers += _ours(loaded, engine, prompts[2:])
    for prompt, answer in zip(prompts, answers, strict=True):
        _compare(loaded, prompt, answer)
    return {"prompts": [len(prompt) for prompt in prompts], "steps": _STEPS, "beyond_window": _beyond(windows, long)}


def _beyond(windows: list[int], long: int) -> bool | None:
    """Whether the longest prompt reaches past every window; `None` where there is none."""
    return all(long > window for window in windows) if windows else None


def _prompt(loaded: LoadedModel, length: int) -> list[int]:
    """Fixed tokens from all over the vocabulary."""
    size = loaded.model.get_input_embeddings().num_embeddings
    return [(7 + 7919 * position) % size for position in range(length)]


def _ours(loaded: LoadedModel, engine: Engine, prompts: list[list[int]]) -> list[list[int]]:
    ends: list[Ended] = []
    done = threading.Event()

    def hear(event: Chunk | Ended) -> None:
        if isinstance(event, Ended):
            ends.append(event)
        if len(ends) == len(prompts):
            done.set()

    wanted = Parameters(max_tokens=_STEPS, min_tokens=_STEPS, seed=0, temperature=0.0)
    # How long loading may take as a whole is watched from outside.
    asking = Asking(seconds=3600, probe=True)
    tickets = engine.submit([(prompt, wanted) for prompt in prompts], [hear] * len(prompts), asking)
    while not done.wait(0.5) and engine.alive:
        pass
    if wrong := next((end for end in ends if end.reason != "length"), None):
        raise LoadError(f"{loaded.name}: the engine cannot run this model ({wrong.error or wrong.reason})")
    if len(ends) < len(prompts):
        raise LoadError(f"{loaded.name}: the engine cannot run this model (it has ended)")
    return [ticket.drawer.drawn for ticket in tickets]


def _compare(loaded: LoadedModel, prompt: list[int], answer: list[int]) -> None:
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
        raise LoadError(f"{loaded.name}: the self-check gave {len(answer)} and {len(expected)} tokens, not {_STEPS}")
    for step, (ours, best) in enumerate(zip(answer, expected, strict=True)):
        if ours != best:
            logits = theirs.logits[step][0].float()
            gap = float(logits[best] - logits[ours])
            if gap > _TIE[loaded.model.dtype]:
                raise LoadError(
                    f"{loaded.name}: the self-check failed: after {len(prompt)} + {step} tokens the engine differs "
                    f"from generate() by {gap:.3g}; this architecture cannot be served correctly"
                )
            return
