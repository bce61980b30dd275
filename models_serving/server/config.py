"""Reads which models a server has. Errors name the place in the file. No torch here: most values are checked by the
process that loads the model."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import yaml

_KINDS: dict[str, type] = {
    "name": str,
    "path": str,
    "revision": str,
    "dtype": str,
    "device": str,
    "max_len": int,
    "slots": int,
    "chat_template": str,
    "remote_code": bool,
    "adapters": dict,
}
# How the host treats the model.
_HOSTED: dict[str, type] = {"load": str, "pinned": bool}
# What the catalogue says about a model to others. It may stand beside the rest; loading has no use for it.
_PUBLISHED: dict[str, type] = {"licence": str, "card": dict}
_LOADS = ("start", "request")
DEVICE = re.compile(r"cpu|cuda:\d+")


class ConfigError(Exception):
    """What to load is not said correctly."""


@dataclass(frozen=True)
class Wanted:
    """A model that is to be served. `spec` holds the members of `engine.loading.ModelSpec` that are given. `at_start`:
    it is loaded when the server starts, else when it is asked for. `pinned`: it never leaves for another one."""

    spec: Mapping[str, Any] = field(default_factory=dict)
    at_start: bool = True
    pinned: bool = False

    @property
    def name(self) -> str:
        """What clients call it."""
        return str(self.spec["name"])

    @property
    def adapters(self) -> Mapping[str, str]:
        """Folders of LoRA adapters by the names that clients call them."""
        adapters: Mapping[str, str] = self.spec.get("adapters", {})
        return adapters


def wanted_models(
    file: str | None, pairs: Sequence[str], common: Mapping[str, Any] | None = None, adapters: Sequence[str] = ()
) -> list[Wanted]:
    """All models of a file and of NAME=PATH arguments; at least one, and no name twice. `common` are members that the
    arguments' models share; `adapters` are NAME=BASE:PATH arguments. Raises `ConfigError`."""
    wanted = (read(file) if file else []) + from_pairs(pairs, common or {})
    if not wanted:
        raise ConfigError("nothing to serve: give --config or --model")
    for adapter in adapters:
        wanted = _adapted(wanted, adapter)
    names = [name for one in wanted for name in (one.name, *one.adapters)]
    if len(set(names)) < len(names):
        raise ConfigError("two models have the same name")
    return wanted


def read(file: str) -> list[Wanted]:
    """The models of a JSON or YAML file: a list of mappings. Relative folders start where the file lies."""
    path = Path(file)
    try:
        # JSON is YAML.
        said = yaml.safe_load(path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, yaml.YAMLError) as error:
        raise ConfigError(f"{file} cannot be read: {error}") from error
    if not isinstance(said, list):
        raise ConfigError(f"{file} must hold a list of models")
    return [_wanted(entry, f"{file}[{number}]", path.parent) for number, entry in enumerate(said)]


def from_pairs(pairs: Sequence[str], common: Mapping[str, Any]) -> list[Wanted]:
    """The models of NAME=PATH arguments."""
    _check_device(common, "--device")
    found = []
    for pair in pairs:
        name, _, path = pair.partition("=")
        if not name or not path:
            raise ConfigError(f"--model takes NAME=PATH, not {pair!r}")
        found.append(Wanted({**common, "name": name, "path": path}))
    return found


def _adapted(wanted: Sequence[Wanted], said: str) -> list[Wanted]:
    """The same models, one with an adapter more."""
    name, _, rest = said.partition("=")
    base, _, path = rest.partition(":")
    if not (name and path) or base not in {one.name for one in wanted}:
        raise ConfigError(f"--adapter takes NAME=MODEL:PATH with a model that is served, not {said!r}")
    if any(name in one.adapters for one in wanted):
        raise ConfigError("two models have the same name")
    return [
        replace(one, spec={**one.spec, "adapters": {**one.adapters, name: path}}) if one.name == base else one
        for one in wanted
    ]


def _wanted(entry: Any, place: str, base: Path) -> Wanted:
    if not isinstance(entry, dict):
        raise ConfigError(f"{place} must be a mapping")
    kinds = _KINDS | _HOSTED | _PUBLISHED
    if unknown := sorted(set(map(str, entry)) - set(kinds)):
        raise ConfigError(f"{place}.{unknown[0]} is unknown; known are {', '.join(kinds)}")
    for name, value in entry.items():
        if not isinstance(value, kinds[name]) or (isinstance(value, bool) and kinds[name] is not bool):
            raise ConfigError(f"{place}.{name} must be {kinds[name].__name__}")
    if missing := [name for name in ("name", "path") if not entry.get(name)]:
        raise ConfigError(f"{place}.{missing[0]} is missing")
    if (load := entry.get("load", "start")) not in _LOADS:
        raise ConfigError(f"{place}.load is {' or '.join(_LOADS)}, not {load!r}")
    _check_device(entry, f"{place}.device")
    files = {name: base / entry[name] for name in ("path", "chat_template") if name in entry}
    spec = {name: value for name, value in entry.items() if name in _KINDS}
    if adapters := entry.get("adapters"):
        if not all(isinstance(name, str) and isinstance(path, str) for name, path in adapters.items()):
            raise ConfigError(f"{place}.adapters must name a folder for each name")
        spec["adapters"] = {name: str(base / path) for name, path in adapters.items()}
    return Wanted(
        spec | {name: str(file) for name, file in files.items() if file.exists()},
        at_start=load == "start",
        pinned=entry.get("pinned", False),
    )


def _check_device(said: Mapping[str, Any], place: str) -> None:
    device = said.get("device", "auto")
    if device not in ("auto", "cuda") and not DEVICE.fullmatch(device):
        raise ConfigError(f"{place} is auto, cpu, cuda or cuda:N, not {device!r}")
