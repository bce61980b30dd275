"""Before a model answers anybody: the slots must say what transformers' own forward pass says.

A mask, a window or a cache that fits a model only almost gives fluent wrong text; nothing else would notice. Compared
are log-probabilities, measured by how far the logits of a step lie apart: which token is the likeliest would say
nothing of a model whose tokens are all about equally likely."""

import threading
from collections.abc import Sequence
from contextlib import nullcontext
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

import torch

from models_serving.contracts import Chunk
from models_serving.engine.adapters import Adapter, Bank
from models_serving.engine.exactness import is_exact
from models_serving.engine.loading import LoadedModel, LoadError
from models_serving.engine.parameters import Parameters
from models_serving.engine.requests import Asking, Ended
from models_serving.engine.slots import Engine

_STEPS = 16
_SHORT, _MIDDLE = 5, 48
# How far log-probabilities may be from those of the forward pass: the root of the mean square over an answer, in
# standard deviations of a step's logits. Seen on small models of ten families and two trained ones: 2e-6, 0.001 and
# 0.012; with a wrong window, a token of the future or wrong positions 0.001 to 2.6 in float32, 0.08 to 2.6 in bfloat16
# (only positions of an untrained model are wrong without a trace there).
_FAR = {torch.float32: 3e-4, torch.float16: 0.015, torch.bfloat16: 0.06}


def check(
    loaded: LoadedModel, engine: Engine, bank: Bank | None = None, adapters: Sequence[Adapter] = ()
) -> dict[str, Any]:
    """Compare greedy answers with a forward pass over prompt and answer, one by one: to prompts of different length,
    generated in one batch, one of them longer than what is computed at once and than every window that an answer can
    reach; to the next turn of one of them, which takes over what its row holds; and to one prompt through each adapter
    and none, in one batch. Returns what was checked, and whether answers are the same to the bit whoever shares the
    batch; raises `LoadError` on a difference that rounding does not explain."""
    room = loaded.max_len - _STEPS
    lengths = [_SHORT, min(_MIDDLE, room)]
    windows = [window for window in loaded.layers.windows.values() if window and window < loaded.max_len]
    beyond = [*windows, *([engine.widest] if engine.widest < room else [])]
    if beyond and max(beyond) + 8 > lengths[-1]:
        lengths.append(min(max(beyond) + 8, room))
    prompts = [_prompt(loaded, length) for length in lengths]
    answers = _ours(loaded, engine, [(prompt, 0) for prompt in prompts])
    prompts.append((prompts[1] + answers[1].tokens)[: room - 1] + prompts[0][:1])
    answers += _ours(loaded, engine, [(prompts[-1], 0)])
    with bank.alone(None) if bank else nullcontext():
        for prompt, answer in zip(prompts, answers, strict=True):
            engine.between_steps(partial(_compare, loaded, loaded.name, prompt, answer))
    if bank:
        _check_adapters(loaded, engine, bank, adapters, prompts[1])
    exact = loaded.model.device.type == "cpu" and engine.between_steps(
        partial(is_exact, loaded.model, loaded.layers, loaded.max_len, bank, len(adapters))
    )
    past = max(lengths) + _STEPS > max(windows) if windows else None
    return {
        "prompts": [len(prompt) for prompt in prompts],
        "steps": _STEPS,
        "beyond_window": past,
        "exact": exact,
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


@dataclass(frozen=True)
class _Answer:
    """What the engine said, and the logarithm of each token's probability."""

    tokens: list[int]
    chances: list[float]


def _ours(loaded: LoadedModel, engine: Engine, asked: list[tuple[list[int], int]]) -> list[_Answer]:
    """The engine's answers to prompts, each through the adapter of its number."""
    ends: list[Ended] = []
    chances: list[list[float]] = [[] for _ in asked]
    done = threading.Event()

    def hear(number: int, event: Chunk | Ended) -> None:
        if isinstance(event, Chunk):
            chances[number] += [token.logprob for token in event.tokens]
            return
        ends.append(event)
        if len(ends) == len(asked):
            done.set()

    wanted = Parameters(max_tokens=_STEPS, min_tokens=_STEPS, seed=0, temperature=0.0, logprobs=True)
    # How long loading may take as a whole is watched from outside.
    asking = Asking(seconds=3600, probe=True)
    tickets = engine.submit(
        [(prompt, replace(wanted, adapter=adapter)) for prompt, adapter in asked],
        [partial(hear, number) for number in range(len(asked))],
        asking,
    )
    while not done.wait(0.5) and engine.alive:
        pass
    if wrong := next((end for end in ends if end.reason != "length"), None):
        raise LoadError(f"{loaded.name}: the engine cannot run this model ({wrong.error or wrong.reason})")
    if len(ends) < len(asked):
        raise LoadError(f"{loaded.name}: the engine cannot run this model (it has ended)")
    return [_Answer(ticket.drawer.drawn, said) for ticket, said in zip(tickets, chances, strict=True)]


def _compare(loaded: LoadedModel, name: str, prompt: list[int], answer: _Answer) -> None:
    ids = torch.tensor([prompt + answer.tokens], device=loaded.model.device)
    with torch.inference_mode():
        logits = loaded.model(
            input_ids=ids, attention_mask=torch.ones_like(ids), use_cache=False, logits_to_keep=_STEPS + 1
        ).logits[0, :-1]
    if not len(answer.tokens) == len(answer.chances) == len(logits) == _STEPS:
        raise LoadError(f"{name}: the self-check gave {len(answer.tokens)} tokens, not {_STEPS}")
    said = logits.double()
    theirs = said.log_softmax(-1).gather(-1, ids[0, -_STEPS:].unsqueeze(1)).squeeze(1)
    ours = torch.tensor(answer.chances, dtype=torch.float64, device=said.device)
    far = float(((ours - theirs) / said.std(-1)).square().mean().sqrt())
    # What is no number is not below it, either.
    if not far <= _FAR[loaded.model.dtype]:
        raise LoadError(
            f"{name}: the self-check failed: after {len(prompt)} tokens the engine's log-probabilities differ from a "
            f"plain forward pass by {far:.3g} standard deviations; this architecture cannot be served correctly"
        )
