"""One forward pass over packed rows of a fixed key-value cache. Knows rows and lengths, no requests.

Keys and values of a layer are `[slots, heads, max_len, head size]`. Rows 0…n-1 are running answers; further rows may be
being filled with prompts. Masks are our own, one per kind of layer: a row sees what is at or before its position, and
in a sliding-window layer nothing older than the window."""

from dataclasses import dataclass
from typing import Any

import torch
from transformers import Cache

_BUCKET = 64


@dataclass(frozen=True, slots=True)
class _Place:
    """Where a forward pass writes: rows `first…first+count-1`; all at columns from `offset` on (prompts), or each at
    its own column (answers). It reads columns up to `used`."""

    first: int
    count: int
    used: int
    offset: int = 0
    columns: torch.Tensor | None = None


class SlotCache(Cache):  # type: ignore[misc] # transformers gives no types
    """transformers' cache interface over fixed slots. Layers are made when they are first written."""

    def __init__(self, slots: int, max_len: int) -> None:
        super().__init__(layers=[])
        self._slots = slots
        self._max_len = max_len
        self._tensors: dict[int, tuple[torch.Tensor, torch.Tensor]] = {}
        self.place = _Place(0, 0, 0)

    def update(
        self, key_states: torch.Tensor, value_states: torch.Tensor, layer_idx: int, *args: Any, **kwargs: Any
    ) -> tuple[torch.Tensor, torch.Tensor]:
        if layer_idx not in self._tensors:
            self._tensors[layer_idx] = (self._room(key_states), self._room(value_states))
        keys, values = self._tensors[layer_idx]
        return self._write(keys, key_states), self._write(values, value_states)

    def get_seq_length(self, layer_idx: int = 0) -> int:
        return self.place.offset

    def move(self, source: int, target: int, length: int) -> None:
        """Copy the first `length` columns of a row to another."""
        for layer in self._tensors.values():
            for tensor in layer:
                tensor[target, :, :length] = tensor[source, :, :length]

    def _room(self, states: torch.Tensor) -> torch.Tensor:
        return states.new_zeros((self._slots, states.shape[1], self._max_len, states.shape[3]))

    def _write(self, tensor: torch.Tensor, states: torch.Tensor) -> torch.Tensor:
        place = self.place
        rows = tensor[place.first : place.first + place.count]
        if place.columns is None:
            rows[:, :, place.offset : place.offset + states.shape[2]] = states
        else:
            rows[torch.arange(place.count, device=tensor.device), :, place.columns] = states[:, :, 0]
        return rows[:, :, : place.used]


@dataclass(frozen=True, slots=True)
class Layers:
    """The kinds of layers a model has: the window of each kind's name, `None` for full attention."""

    windows: dict[str, int | None]


class Runner:
    """The model and its cache. Not thread-safe: one thread calls it."""

    def __init__(self, model: Any, layers: Layers, *, slots: int, max_len: int) -> None:
        self._model = model
        self._layers = layers
        self._cache = SlotCache(slots, max_len)
        self._float_mask = model.config._attn_implementation == "eager"
        self.slots = slots
        self.max_len = max_len

    @torch.inference_mode()
    def prefill(self, tokens: list[list[int]], *, first: int, offset: int, wanted: list[int]) -> torch.Tensor:
        """Write a chunk of prompts `[rows][equal lengths]` into rows from `first`, columns from `offset`.

        Returns logits `[rows, vocabulary]` at each row's column `wanted` (counted within the chunk)."""
        ids = torch.tensor(tokens, device=self._model.device)
        columns = torch.arange(offset, offset + ids.shape[1], device=ids.device)
        positions = columns.expand(ids.shape[0], -1)
        used = offset + ids.shape[1]
        self._cache.place = _Place(first, ids.shape[0], used, offset)
        return self._forward(ids, positions, used, torch.tensor(wanted, device=ids.device))

    @torch.inference_mode()
    def decode(self, tokens: list[int], lengths: list[int]) -> torch.Tensor:
        """One more token for rows 0…n-1, each written at the column that is its length so far.

        Returns logits `[rows, vocabulary]`."""
        ids = torch.tensor(tokens, device=self._model.device).unsqueeze(1)
        columns = torch.tensor(lengths, device=ids.device)
        used = min(-(-(max(lengths) + 1) // _BUCKET) * _BUCKET, self.max_len)
        self._cache.place = _Place(0, len(tokens), used, columns=columns)
        return self._forward(ids, columns.unsqueeze(1), used, torch.zeros_like(columns))

    @property
    def on_cuda(self) -> bool:
        """Whether the model is on a CUDA device."""
        return bool(self._model.device.type == "cuda")

    @torch.inference_mode()
    def move(self, source: int, target: int, length: int) -> None:
        """Copy a row's first `length` columns to another row."""
        if source != target:
            self._cache.move(source, target, length)

    def _forward(self, ids: torch.Tensor, positions: torch.Tensor, used: int, wanted: torch.Tensor) -> torch.Tensor:
        masks = {name: self._mask(positions, used, window) for name, window in self._layers.windows.items()}
        answer = self._model(
            input_ids=ids,
            attention_mask=masks if len(masks) > 1 else next(iter(masks.values())),
            position_ids=positions,
            past_key_values=self._cache,
            use_cache=True,
            logits_to_keep=wanted.unsqueeze(1),
        )
        logits: torch.Tensor = answer.logits
        return logits[:, 0]

    def _mask(self, positions: torch.Tensor, used: int, window: int | None) -> torch.Tensor:
        """`[rows, 1, queries, columns]`: true, or nought for eager attention, where a query may look."""
        columns = torch.arange(used, device=positions.device)
        age = positions.unsqueeze(-1) - columns
        seen = age >= 0
        if window is not None:
            seen &= age < window
        seen = seen.unsqueeze(1)
        if not self._float_mask:
            return seen
        lowest = torch.finfo(self._model.dtype).min
        return torch.zeros(seen.shape, dtype=self._model.dtype, device=seen.device).masked_fill(~seen, lowest)
