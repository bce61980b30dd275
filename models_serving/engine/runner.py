"""Forward passes over rows of a fixed key-value cache. Knows rows and columns, no requests.

Keys and values of a layer are `[slots, heads, columns, head size]`. Rows 0…n-1 are running answers; others hold prompts
that are being filled in, or what somebody left. Masks are our own, one per kind of layer: a row sees what is at or
before its position, and in a sliding-window layer nothing older than the window.

Pieces of prompts are padded to even sizes, and columns are read in even numbers: with odd ones the arithmetic on a
processor would change with whoever shares the pass (see `exactness`)."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import torch
from transformers import Cache

# Columns are read in multiples of this, and pieces of prompts padded to multiples of that.
COLUMNS, _TOKENS = 64, 16
# torch's attention on a processor goes by larger blocks from 192 tokens on, and adds up in another order.
_WIDEST_ON_CPU = 176


@dataclass(frozen=True, slots=True)
class _Place:
    """Where a forward pass writes: `columns` `[rows, tokens]` of rows given as a slice (packed rows: no copy when they
    are read) or as their numbers `[rows]`. It reads columns up to `used`. `index` `[rows, 1]` names the rows that are
    written to, in the slice or in the whole."""

    rows: slice | torch.Tensor
    columns: torch.Tensor
    used: int
    index: torch.Tensor


class SlotCache(Cache):  # type: ignore[misc] # transformers gives no types
    """transformers' cache interface over fixed slots. Layers are made when they are first written."""

    def __init__(self, slots: int, max_len: int) -> None:
        super().__init__(layers=[])
        self._slots = slots
        self._columns = up(max_len, COLUMNS)
        self._tensors: dict[int, tuple[torch.Tensor, torch.Tensor]] = {}
        self.place = _Place(slice(0, 0), torch.empty(0, 0), 0, torch.empty(0, 0))

    def update(
        self, key_states: torch.Tensor, value_states: torch.Tensor, layer_idx: int, *args: Any, **kwargs: Any
    ) -> tuple[torch.Tensor, torch.Tensor]:
        if layer_idx not in self._tensors:
            self._tensors[layer_idx] = (self._room(key_states), self._room(value_states))
        keys, values = self._tensors[layer_idx]
        return self._write(keys, key_states), self._write(values, value_states)

    def get_seq_length(self, layer_idx: int = 0) -> int:
        return self.place.used - self.place.columns.shape[1]

    @property
    def tensors(self) -> list[torch.Tensor]:
        """Keys and values of every layer."""
        return [tensor for layer in self._tensors.values() for tensor in layer]

    def _room(self, states: torch.Tensor) -> torch.Tensor:
        return states.new_zeros((self._slots, states.shape[1], self._columns, states.shape[3]))

    def _write(self, tensor: torch.Tensor, states: torch.Tensor) -> torch.Tensor:
        place = self.place
        states = states.transpose(1, 2)
        if isinstance(place.rows, slice):
            rows = tensor[place.rows]
            rows[place.index, :, place.columns] = states
            return rows[:, :, : place.used]
        tensor[place.index, :, place.columns] = states
        return tensor[:, :, : place.used][place.rows]


@dataclass(frozen=True, slots=True)
class Layers:
    """The kinds of layers a model has: the window of each kind's name, `None` for full attention."""

    windows: dict[str, int | None]


class Adapts(Protocol):
    """What can send each row of a forward pass through an adapter of its own."""

    def use(self, rows: Sequence[int]) -> None: ...


class Runner:
    """The model and its cache. Not thread-safe: one thread calls it."""

    def __init__(self, model: Any, layers: Layers, *, slots: int, max_len: int, adapters: Adapts | None = None) -> None:
        self._model = model
        self._adapters = adapters
        self._layers = layers
        self._cache = SlotCache(slots, max_len)
        self._float_mask = model.config._attn_implementation == "eager"
        self.slots = slots
        self.max_len = max_len

    @torch.inference_mode()
    def prefill(self, rows: Sequence[int], chunks: Sequence[list[int]], starts: Sequence[int]) -> torch.Tensor:
        """Write the next tokens of prompts into rows of any numbers: `chunks[i]` to columns from `starts[i]` on.

        Returns logits `[rows, vocabulary]` after each chunk's last token."""
        device, longest = self._model.device, up(max(map(len, chunks)), _TOKENS)
        ids = torch.tensor([chunk + [0] * (longest - len(chunk)) for chunk in chunks], device=device)
        positions = torch.tensor(starts, device=device).unsqueeze(1) + torch.arange(longest, device=device)
        # What a shorter chunk is padded with goes beyond its end, where it is written over before anybody looks; the
        # last column is never looked at, because the last token of the longest answer needs no keys.
        positions = positions.clamp_(max=self.max_len - 1)
        # Padding sees at least itself: who sees nothing becomes not-a-number and would spoil the row.
        used = up(min(max(starts) + longest, self.max_len), COLUMNS)
        packed = list(rows) == list(range(rows[0], rows[0] + len(rows)))
        numbers = torch.tensor(range(len(rows)) if packed else rows, device=device)
        place = slice(rows[0], rows[0] + len(rows)) if packed else numbers
        self._cache.place = _Place(place, positions, used, numbers.unsqueeze(1))
        return self._forward(ids, torch.tensor([len(chunk) - 1 for chunk in chunks], device=device))

    @torch.inference_mode()
    def decode(self, tokens: torch.Tensor, lengths: torch.Tensor, longest: int) -> torch.Tensor:
        """One more token for rows 0…n-1, each written at the column that is its length so far; all `[rows]`, and
        `longest` the largest of the lengths.

        Returns logits `[rows, vocabulary]`."""
        used = up(longest + 1, COLUMNS)
        rows = torch.arange(len(tokens), device=tokens.device).unsqueeze(1)
        self._cache.place = _Place(slice(0, len(tokens)), lengths.unsqueeze(1), used, rows)
        return self._forward(tokens.unsqueeze(1), torch.zeros_like(tokens))

    def use_adapters(self, numbers: Sequence[int]) -> None:
        """Which adapter each row of the next forward pass goes through; 0: none."""
        if self._adapters:
            self._adapters.use(numbers)

    @property
    def device(self) -> torch.device:
        """Where the model is."""
        device: torch.device = self._model.device
        return device

    @property
    def widest(self) -> int:
        """How many tokens of one prompt are best computed at once, at most."""
        return _WIDEST_ON_CPU if self.device.type == "cpu" else self.max_len

    @property
    def on_cuda(self) -> bool:
        """Whether the model is on a CUDA device."""
        return self.device.type == "cuda"

    @property
    def cache_bytes(self) -> int:
        """What the cache takes; nothing before the first forward pass."""
        return sum(tensor.nbytes for tensor in self._cache.tensors)

    @torch.inference_mode()
    def copy(self, source: int, target: int, length: int) -> None:
        """Copy a row's first `length` columns to another row."""
        for tensor in self._cache.tensors:
            tensor[target, :, :length] = tensor[source, :, :length]

    @torch.inference_mode()
    def swap(self, one: int, other: int, length: int) -> None:
        """Exchange the first `length` columns of two rows."""
        for tensor in self._cache.tensors:
            kept = tensor[one, :, :length].clone()
            tensor[one, :, :length] = tensor[other, :, :length]
            tensor[other, :, :length] = kept

    @torch.inference_mode()
    def wipe(self, row: int) -> None:
        """Nothing but zeros in a row."""
        for tensor in self._cache.tensors:
            tensor[row] = 0

    def _forward(self, ids: torch.Tensor, wanted: torch.Tensor) -> torch.Tensor:
        positions, used = self._cache.place.columns, self._cache.place.used
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


def up(number: int, step: int) -> int:
    """The next multiple of the step."""
    return -(-number // step) * step
