"""LoRA adapters (Hu et al. 2021) on one base model: each answer of a batch goes through its own, or through none.

An adapter adds B·A·x·(alpha / rank) to what a linear layer makes of x. The files are those that peft writes; they are
read here without it. What such a file says and is not known here is refused by its name."""

import json
import math
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file

from models_serving.engine import provenance
from models_serving.engine.cuts import sent
from models_serving.engine.loading import LoadError
from models_serving.engine.packing import packed, product

_WEIGHTS, _CONFIG, _PREFIX = "adapter_model.safetensors", "adapter_config.json", "base_model.model."
# What may stand in the configuration whatever it says: it was for training, or the tensors themselves say it.
_SAYS_NOTHING = frozenset(
    {
        "auto_mapping", "base_model_name_or_path", "eva_config", "exclude_modules", "inference_mode", "layers_pattern",
        "layers_to_transform", "lora_alpha", "lora_dropout", "megatron_core", "peft_type", "peft_version",
        "qalora_group_size", "r", "rank_pattern", "revision", "runtime_config", "target_modules", "task_type",
        "use_rslora",
    }
)  # fmt: skip
# Beginnings that leave the base's weights as they are. Others (pissa, olora, corda, loftq) change them, and the adapter
# is made for the changed ones.
_BEGINNINGS = (True, False, None, "gaussian", "eva")
# With any of these a setting that is not known here is off.
_OFF: tuple[Any, ...] = (None, False, "none", [], {})


@dataclass(frozen=True)
class Adapter:
    """One adapter: of each layer that it changes, A `[rank, in]` and B `[out, rank]` with the scale in it."""

    name: str
    layers: Mapping[str, tuple[torch.Tensor, torch.Tensor]]
    facts: Mapping[str, Any]


def read(name: str, folder: Path, model: Any) -> Adapter:
    """The adapter of a folder, in the number format and on the device of the model. Raises `LoadError`."""
    try:
        config = json.loads((folder / _CONFIG).read_text(encoding="utf-8"))
        tensors = load_file(folder / _WEIGHTS)
    except (OSError, ValueError, SafetensorError) as error:
        raise LoadError(f"{name}: {folder.name} holds no adapter that can be read: {error}") from error
    if config.get("peft_type") != "LORA":
        raise LoadError(f"{name}: only LoRA adapters are served, not {config.get('peft_type')}")
    if odd := next((key for key, value in config.items() if not _is_plain(key, value)), None):
        raise LoadError(f"{name}: adapters with {odd} = {config[odd]!r} are not served")
    if not isinstance(config.get("lora_alpha"), int | float):
        raise LoadError(f"{name}: {_CONFIG} names no lora_alpha")
    modules = dict(model.named_modules())
    layers = {}
    for layer in sorted({_layer_of(name, key) for key in tensors}):
        halves = [tensors.get(f"{_PREFIX}{layer}.lora_{half}.weight") for half in "AB"]
        layers[layer] = _fitted(name, layer, modules.get(layer), halves, config)
    facts = {
        "name": name,
        "weights_sha256": provenance.sha256_of_files(folder, _WEIGHTS),
        "config_sha256": provenance.sha256_of_files(folder, _CONFIG),
    }
    return Adapter(name, layers, facts)


def _is_plain(key: str, value: Any) -> bool:
    return value in _BEGINNINGS if key == "init_lora_weights" else key in _SAYS_NOTHING or value in _OFF


def _layer_of(name: str, key: str) -> str:
    layer, half, rest = key.removeprefix(_PREFIX).rpartition(".lora_")
    if not key.startswith(_PREFIX) or not half or rest not in ("A.weight", "B.weight"):
        raise LoadError(f"{name}: the adapter's {key} is not served")
    return layer


def _fitted(
    name: str, layer: str, module: Any, halves: Sequence[torch.Tensor | None], config: Mapping[str, Any]
) -> tuple[torch.Tensor, torch.Tensor]:
    down, up = halves
    if not isinstance(module, torch.nn.Linear) or down is None or up is None:
        raise LoadError(f"{name}: the model has no linear layer {layer} for both halves of the adapter")
    rank = down.shape[0]
    if down.shape != (rank, module.in_features) or up.shape != (module.out_features, rank):
        raise LoadError(f"{name}: the adapter does not fit the model's {layer}")
    scale = float(config["lora_alpha"]) / (math.sqrt(rank) if config.get("use_rslora") else rank)
    weight = module.weight
    return down.to(weight), (up.float() * scale).to(weight)


class Bank:
    """All adapters of a model. `use` says whose the rows of the next forward pass are: 0 nobody's, 1 the first's, …"""

    def __init__(self, model: Any, adapters: Sequence[Adapter]) -> None:
        self._rows: torch.Tensor | None = None
        self._said: list[int] = []
        self._device = model.device
        self._modules = dict(model.named_modules())
        for layer in sorted({layer for adapter in adapters for layer in adapter.layers}):
            module: torch.nn.Linear = self._modules[layer]
            halves = [adapter.layers.get(layer) for adapter in adapters]
            module.register_forward_hook(self._hook(*_joined(module, halves)))

    @contextmanager
    def alone(self, adapter: Adapter | None) -> Iterator[None]:
        """While it lasts every row of the model goes through this one adapter or none, by the formula as it stands and
        without what is done here for many: something to compare with. Nobody else may use the model."""
        self.use([])
        layers = adapter.layers if adapter else {}
        hooks = [self._modules[layer].register_forward_hook(_plainly(*halves)) for layer, halves in layers.items()]
        try:
            yield
        finally:
            for hook in hooks:
                hook.remove()

    def use(self, rows: Sequence[int]) -> None:
        """The adapter's number of each row."""
        if list(rows) != self._said:
            self._said = list(rows)
            self._rows = sent(self._said, torch.long, self._device)[:, None, None] if any(rows) else None

    def _hook(self, down: torch.Tensor, up: torch.Tensor, owners: torch.Tensor) -> Any:
        def add(module: torch.nn.Module, given: tuple[torch.Tensor], made: torch.Tensor) -> torch.Tensor | None:
            if self._rows is None:
                return None
            # Every row goes through A of all adapters, which is read once; what is not by its own becomes nought.
            small = product(given[0], down).masked_fill_(self._rows != owners, 0.0)
            return made + product(small, up)

        return add


def _plainly(down: torch.Tensor, up: torch.Tensor) -> Any:
    def add(module: torch.nn.Module, given: tuple[torch.Tensor], made: torch.Tensor) -> torch.Tensor:
        return made + given[0] @ down.T @ up.T

    return add


def _joined(
    module: torch.nn.Linear, halves: Sequence[tuple[torch.Tensor, torch.Tensor] | None]
) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """A of all adapters one below another, `[sum of ranks, in]`; B side by side, `[out, sum of ranks]`; both laid out
    for `product`; and to whom each of these ranks belongs, `[sum of ranks]`."""
    there = [(number, half) for number, half in enumerate(halves, 1) if half]
    owners = [number for number, half in there for _ in range(half[0].shape[0])]
    down, up = (torch.cat([half[side] for _, half in there], dim=side) for side in (0, 1))
    return packed(down), packed(up.contiguous()), torch.tensor(owners, device=module.weight.device)
