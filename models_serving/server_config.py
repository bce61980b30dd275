"""Reads which models a server loads. Errors name the place in the file."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import yaml

from models_serving.engine.loading import ModelSpec

_KINDS: dict[str, type] = {
    "name": str,
    "path": str,
    "revision": str,
    "dtype": str,
    "device": str,
    "max_len": int,
    "slots": int,
    "chat_template": str,
}
# What the catalogue says about a model to others. It may stand beside the rest; loading has no use for it.
_PUBLISHED: dict[str, type] = {"licence": str, "card": dict}


class ConfigError(Exception):
    """What to load is not said correctly."""


def wanted_models(file: str | None, pairs: Sequence[str]) -> list[ModelSpec]:
    """All models of a file and of NAME=PATH arguments; at least one, and no name twice."""
    specs = (read(file) if file else []) + from_pairs(pairs)
    if not specs:
        raise ConfigError("nothing to serve: give --config or --model")
    if len({spec.name for spec in specs}) < len(specs):
        raise ConfigError("two models have the same name")
    return specs


def read(file: str) -> list[ModelSpec]:
    """The models of a JSON or YAML file: a list of mappings. Relative folders start where the file lies."""
    path = Path(file)
    try:
        # JSON is YAML.
        said = yaml.safe_load(path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, yaml.YAMLError) as error:
        raise ConfigError(f"{file} cannot be read: {error}") from error
    if not isinstance(said, list):
        raise ConfigError(f"{file} must hold a list of models")
    return [_spec(entry, f"{file}[{number}]", path.parent) for number, entry in enumerate(said)]


def from_pairs(pairs: Sequence[str]) -> list[ModelSpec]:
    """The models of NAME=PATH arguments."""
    specs = []
    for pair in pairs:
        name, _, path = pair.partition("=")
        if not name or not path:
            raise ConfigError(f"--model takes NAME=PATH, not {pair!r}")
        specs.append(ModelSpec(name=name, path=path))
    return specs


def _spec(entry: Any, place: str, base: Path) -> ModelSpec:
    if not isinstance(entry, dict):
        raise ConfigError(f"{place} must be a mapping")
    kinds = _KINDS | _PUBLISHED
    if unknown := sorted(set(map(str, entry)) - set(kinds)):
        raise ConfigError(f"{place}.{unknown[0]} is unknown; known are {', '.join(kinds)}")
    for name, value in entry.items():
        if not isinstance(value, kinds[name]) or isinstance(value, bool):
            raise ConfigError(f"{place}.{name} must be {kinds[name].__name__}")
    if missing := [name for name in ("name", "path") if not entry.get(name)]:
        raise ConfigError(f"{place}.{missing[0]} is missing")
    files = {name: base / entry[name] for name in ("path", "chat_template") if name in entry}
    loaded = {name: value for name, value in entry.items() if name in _KINDS}
    return ModelSpec(**(loaded | {name: str(file) for name, file in files.items() if file.exists()}))
