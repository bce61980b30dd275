"""A model, loaded, checked and at work: what the server holds for each name."""

import copy
import dataclasses
import threading
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path
from typing import Any

import torch

from models_serving.contracts import Message
from models_serving.engine import provenance
from models_serving.engine.adapters import Adapter, Bank, read
from models_serving.engine.loading import LoadedModel, LoadError, ModelSpec, load
from models_serving.engine.parameters import InvalidRequestError, Parameters, resolve
from models_serving.engine.runner import Runner
from models_serving.engine.selfcheck import check
from models_serving.engine.slots import Engine


class OpenModel:
    """One served model. `facts` identify its exact state, `fingerprint` names that state in short."""

    def __init__(self, loaded: LoadedModel, engine: Engine, checked: Mapping[str, Any]) -> None:
        self._loaded = loaded
        self._lock = threading.Lock()
        self._adapter = 0
        self.engine = engine
        self.name = loaded.name
        self.facts = dict(loaded.facts) | ({"seeds": "exact"} if checked["exact"] else {})
        self.fingerprint = provenance.fingerprint(self.facts)
        self.checked = dict(checked)

    def adapted(self, number: int, adapter: Adapter) -> "OpenModel":
        """The same model through the adapter of this number: a name and an exact state of its own, one engine."""
        other = copy.copy(self)
        other._adapter = number
        other.name = adapter.name
        other.facts = self.facts | {"adapter": dict(adapter.facts)}
        other.fingerprint = provenance.fingerprint(other.facts)
        return other

    def prepare(
        self,
        said: Sequence[Message] | str | list[int],
        wanted: Mapping[str, Any],
        *,
        choices: int = 1,
        usual: int | None = None,
    ) -> list[tuple[list[int], Parameters]]:
        """Prompt and parameters of each choice, validated. `said` is a conversation, which the model's chat template
        puts into words; or a text or token ids to go on from. `usual` is how many tokens an answer may have where
        `wanted` says nothing, if the context holds them. Raises `InvalidRequestError` naming the parameter."""
        if choices > self.engine.max_waiting:
            raise InvalidRequestError("n", f"n must be at most {self.engine.max_waiting} here, not {choices}")
        self._loaded.check_size(said)
        with self._lock:
            prompt = self._tokens(said)
        room = self._loaded.max_len - len(prompt)
        if usual is not None and wanted.get("max_tokens") is None:
            wanted = dict(wanted) | {"max_tokens": min(usual, room)}
        first = resolve(wanted, self._loaded.defaults, room=room)
        same_seed = dict(wanted) | {"seed": first.seed}
        others = [resolve(same_seed, self._loaded.defaults, room=room, choice=number) for number in range(1, choices)]
        return [(prompt, dataclasses.replace(parameters, adapter=self._adapter)) for parameters in [first, *others]]

    def _tokens(self, said: Sequence[Message] | str | list[int]) -> list[int]:
        if isinstance(said, str):
            return self._loaded.raw_prompt(said)
        messages = [one for one in said if isinstance(one, Message)]
        tokens = [one for one in said if isinstance(one, int)]
        return self._loaded.prompt(messages) if messages else self._loaded.raw_prompt(tokens)


def open_model(spec: ModelSpec, *, max_waiting: int = 64) -> OpenModel:
    """Load a model, start its engine and check that it says what it should. Raises `LoadError`."""
    return open_all(spec, max_waiting=max_waiting)[spec.name]


def open_all(spec: ModelSpec, *, max_waiting: int = 64) -> dict[str, OpenModel]:
    """The model and its adapters by their names, on one engine. Raises `LoadError`."""
    if spec.slots < 1:
        raise LoadError(f"{spec.name}: slots must be at least 1")
    # On a thread that ends, and that takes its processor threads with it: see `Engine.between_steps`.
    with ThreadPoolExecutor(1, thread_name_prefix="loading") as thread:
        loaded, adapters, bank = thread.submit(_read, spec).result()
    runner = Runner(loaded.model, loaded.layers, slots=spec.slots, max_len=loaded.max_len, adapters=bank)
    engine = Engine(runner, loaded.tokenizer, loaded.eos, max_waiting=max_waiting, name=spec.name)
    engine.start()
    if runner.on_cuda:
        # Each thread has a device of its own, at first the first one.
        engine.between_steps(partial(torch.cuda.set_device, loaded.model.device))
    try:
        checked = check(loaded, engine, bank, adapters)
    except LoadError:
        engine.close()
        raise
    model = OpenModel(loaded, engine, checked)
    return {spec.name: model} | {one.name: model.adapted(number, one) for number, one in enumerate(adapters, 1)}


def _read(spec: ModelSpec) -> tuple[LoadedModel, list[Adapter], Bank | None]:
    loaded = load(spec)
    adapters = [read(name, Path(folder), loaded.model) for name, folder in spec.adapters.items()]
    return loaded, adapters, Bank(loaded.model, adapters) if adapters else None


def use_threads(count: int) -> None:
    """Processor threads for one forward pass; for engines that start after this call."""
    # Saying it, even where it is so already, makes MKL open a team of threads for each small product within attention,
    # thousands in a step: a twentieth of the engine's speed.
    if count != torch.get_num_threads():
        torch.set_num_threads(count)
