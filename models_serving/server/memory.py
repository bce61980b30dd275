"""Who may have how much memory of which device. Arithmetic only: it loads and unloads nothing.

A device that no budget is named for gives `SHARE` of what it has."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

SHARE = 0.9
_UNITS = {"": 1, "k": 10**3, "m": 10**6, "g": 10**9, "t": 10**12}
_UNITS |= {f"{letter}i": 2 ** (10 * power) for power, letter in enumerate("kmgt", 1)}
_SIZE = re.compile(r"(\d+(?:\.\d+)?)\s*([kmgt]i?)?b?", re.IGNORECASE)


class NoRoomError(Exception):
    """The model does not fit now, even without those that may be taken out."""


class NeverFitsError(Exception):
    """There is no such device here, or none that may ever give so much."""


@dataclass(frozen=True, slots=True)
class Holder:
    """A model that is loaded, or about to be: on which device and with how many bytes."""

    name: str
    device: str
    bytes: int


def size(text: str) -> int:
    """Bytes of "70GiB", "16 GB", "800M" or a plain number. Raises `ValueError`."""
    found = _SIZE.fullmatch(text.strip())
    if found is None:
        raise ValueError(f"{text!r} is no size; write 16GB or 14.5GiB")
    return int(float(found[1]) * _UNITS[(found[2] or "").lower()])


def spoken(count: float) -> str:
    """Bytes as a person reads them."""
    return f"{count / 2**30:.1f} GiB" if count >= 2**30 else f"{count / 2**20:.0f} MiB"


class Memory:
    """Budgets in bytes by device ("cpu", "cuda:0", …)."""

    def __init__(self, budgets: Mapping[str, int]) -> None:
        self.budgets = dict(budgets)

    def learn(self, devices: Mapping[str, int]) -> list[str]:
        """What the machine has, in bytes: devices without a budget get one. Returns those of a budget that it has
        not."""
        for device, total in devices.items():
            self.budgets.setdefault(device, int(total * SHARE))
        return sorted(set(self.budgets) - set(devices))

    def place(
        self, need: int, wanted: str, *, there: Sequence[str], held: Sequence[Holder], idle: Sequence[str]
    ) -> tuple[str, list[str]]:
        """Where `need` bytes go, and which models leave for it.

        `wanted` is a device, "cuda" for any CUDA device, or "auto": CUDA where there is one. `idle` names models that
        may leave, the longest unused first. Of several devices the one counts that fewest have to leave for, then the
        one with most room. Raises `NoRoomError`, `NeverFitsError`."""
        found = []
        candidates = _candidates(wanted, there)
        if not candidates:
            raise NeverFitsError(f"there is no device {wanted} here, only {', '.join(there)}")
        if need > (most := max(self.budgets.get(device, 0) for device in candidates)):
            devices = ", ".join(candidates)
            raise NeverFitsError(f"{spoken(need)} never fit on {devices}, where {spoken(most)} may be taken")
        for device in candidates:
            free = self.budgets.get(device, 0) - sum(holder.bytes for holder in held if holder.device == device)
            leaving: list[str] = []
            room = {holder.name: holder.bytes for holder in held if holder.device == device}
            for name in idle:
                if free >= need:
                    break
                if name in room:
                    leaving.append(name)
                    free += room[name]
            if free >= need:
                found.append((len(leaving), -free, device, leaving))
        if not found:
            devices = ", ".join(candidates)
            raise NoRoomError(f"{spoken(need)} do not fit on {devices} beside the models that are in use")
        _, _, device, leaving = min(found)
        return device, leaving


def _candidates(wanted: str, there: Sequence[str]) -> list[str]:
    cuda = [device for device in there if device.startswith("cuda")]
    if wanted == "auto":
        return cuda or ["cpu"]
    if wanted == "cuda":
        return cuda
    return [wanted] if wanted in there else []
