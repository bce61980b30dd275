"""How much memory a model takes, before it is loaded and after, and what the devices of this machine have.

The forecast counts weights and key-value cache from the model's own files; on the device it is kept within."""

import json
import os
import struct
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import torch

from models_serving.engine.loading import DTYPES, LoadError, ModelSpec, config_of, folder_of, length_of
from models_serving.engine.runner import COLUMNS, up

_ELEMENT = {"F64": 8, "F32": 4, "F16": 2, "BF16": 2, "I64": 8, "I32": 4, "I16": 2, "I8": 1, "U8": 1, "BOOL": 1}
# What a forward pass holds besides weights and cache, and CUDA's own context: seen, not computed. On a CUDA device the
# process is kept within the forecast, so that has to hold all of it.
_CPU_EXTRA, _CUDA_EXTRA, _CUDA_SHARE = 64 * 2**20, 2**30, 1.25
# Of that what CUDA itself takes, which torch does not count.
_CUDA_CONTEXT = 2**29


def needed(spec: ModelSpec) -> int:
    """Bytes that the model may take: weights in the number format it is loaded in, its adapters, its whole cache, and
    what a forward pass needs. Fetches a hub model's files. Raises `LoadError`."""
    folder = folder_of(spec)
    device = torch.device(_resolved(spec.device))
    try:
        config = config_of(spec, folder)
        text = config.get_text_config(decoder=True)
        element = _bytes_each(spec, device, config)
        weights = sum(_numbers(file) for file in folder.glob("*.safetensors")) * element
        heads = getattr(text, "num_key_value_heads", None) or text.num_attention_heads
        size = getattr(text, "head_dim", None) or text.hidden_size // text.num_attention_heads
        # An embedding that shares its weights with the last layer: that one's are laid out anew (see `packing`).
        if device.type == "cpu" and getattr(text, "tie_word_embeddings", False):
            weights += text.vocab_size * text.hidden_size * element
        # Of adapters every rank is held once (see `adapters.Bank`).
        adapters = sum(_numbers(file) for path in spec.adapters.values() for file in Path(path).glob("*.safetensors"))
        # Keys and values, of every layer, for every slot.
        columns = up(length_of(spec, text), COLUMNS)
        cache = 2 * text.num_hidden_layers * heads * size * spec.slots * columns * element
    except (OSError, ValueError, KeyError, AttributeError, struct.error) as error:
        raise LoadError(f"{spec.name}: {error}") from error
    taken = weights + adapters * element + cache
    return int(taken * _CUDA_SHARE) + _CUDA_EXTRA if device.type == "cuda" else int(taken) + _CPU_EXTRA


def devices() -> dict[str, int]:
    """What this machine has: the name of each device and its memory in bytes. Of the machine's own memory a container
    or a service may be given only a part."""
    physical = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    found = {"cpu": min([physical, *group_limits(Path("/proc/self/cgroup"), Path("/sys/fs/cgroup"))])}
    for number in range(torch.cuda.device_count() if torch.cuda.is_available() else 0):
        found[f"cuda:{number}"] = torch.cuda.get_device_properties(number).total_memory
    return found


def group_limits(own: Path, root: Path) -> list[int]:
    """Memory limits in bytes of the control groups that this process is in, from the file that names them and the
    folder where they are mounted."""
    limits = []
    for folder, second in _groups(own, root, "memory"):
        with suppress(OSError, ValueError):
            # "max" is no number
            limits.append(int((folder / ("memory.max" if second else "memory.limit_in_bytes")).read_text("ascii")))
    return limits


def processors() -> int:
    """How many processors this process may use: those that it is bound to, or what a container or a service is given
    of them."""
    shares = group_processors(Path("/proc/self/cgroup"), Path("/sys/fs/cgroup"))
    return max(1, int(min([len(os.sched_getaffinity(0)), *shares])))


def group_processors(own: Path, root: Path) -> list[float]:
    """How many processors' time the same groups may use."""
    shares = []
    for folder, second in _groups(own, root, "cpu"):
        with suppress(OSError, ValueError):
            names = ("cpu.max",) if second else ("cpu.cfs_quota_us", "cpu.cfs_period_us")
            quota, period = (int(word) for name in names for word in (folder / name).read_text("ascii").split())
            shares += [quota / period] if quota > 0 else []
    return shares


def _groups(own: Path, root: Path, controller: str) -> Iterator[tuple[Path, bool]]:
    """The folders of this process' control groups and of those that these are in, and whether each is of version 2 of
    Linux' interface."""
    try:
        # number:controllers:path; version 2 has a single line without controllers
        lines = [line.split(":", 2) for line in own.read_text(encoding="ascii").splitlines()]
    except OSError:
        return
    for _, controllers, path in lines:
        if controllers and controller not in controllers.split(","):
            continue
        top = root / controller if controllers else root
        group = top / path.strip("/")
        # In a container the path may be the one outside, while the own group is mounted as the root.
        for folder in (group, *(parent for parent in group.parents if parent.is_relative_to(top))):
            yield folder, not controllers


def keep_within(device: str, limit: int) -> None:
    """From now on this process gets no more than `limit` bytes of a CUDA device: an allocation beyond it fails here and
    not in a neighbour. It is this thread's device from now on, so that nothing is taken of the first one unasked.
    Memory of the machine itself has no such limit; there the system ends whom it must."""
    if device.startswith("cuda"):
        torch.cuda.set_device(device)
        total = torch.cuda.get_device_properties(device).total_memory
        torch.cuda.set_per_process_memory_fraction(min(1.0, (limit - _CUDA_CONTEXT) / total), device)


def used() -> int:
    """Bytes that this process takes: of its CUDA device if it has one at work, else of the machine's memory, where
    pages shared with other processes count in parts."""
    if torch.cuda.is_initialized():  # type: ignore[no-untyped-call] # torch leaves it untyped
        return int(torch.cuda.memory_reserved())
    try:
        lines = Path("/proc/self/smaps_rollup").read_text(encoding="ascii").splitlines()
        return next(int(line.split()[1]) * 1024 for line in lines if line.startswith("Pss:"))
    except (OSError, StopIteration):
        return 0


def _resolved(device: str) -> str:
    return ("cuda" if torch.cuda.is_available() else "cpu") if device == "auto" else device


def _bytes_each(spec: ModelSpec, device: torch.device, config: Any) -> int:
    if spec.dtype in DTYPES:
        return DTYPES[spec.dtype].itemsize
    own = getattr(config, "dtype", None)
    return own.itemsize if isinstance(own, torch.dtype) and device.type == "cuda" else torch.float32.itemsize


def _numbers(file: Path) -> float:
    """How many numbers a safetensors file holds, from its header: a length, then JSON with type and place of each."""
    with file.open("rb") as opened:
        (size,) = struct.unpack("<Q", opened.read(8))
        if size > 100_000_000:
            raise ValueError(f"{file.name} is no safetensors file")
        header: dict[str, Any] = json.loads(opened.read(size))
    entries = [entry for name, entry in header.items() if name != "__metadata__"]
    return float(sum((e["data_offsets"][1] - e["data_offsets"][0]) / _ELEMENT.get(e["dtype"], 1) for e in entries))
