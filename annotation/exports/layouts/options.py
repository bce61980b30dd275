"""What can be set in a release of a layout. A run freezes every option with its value, so that the manifest says how
each label came about, also where nobody chose."""

import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from annotation.common.errors import DomainError


@dataclass(frozen=True, slots=True)
class Option:
    """One setting. `allowed` closes the list of values; otherwise the default's type is the value's. `fits` looks at a
    value of that type, and `wanted` says what it looks for."""

    name: str
    text: str
    default: Any
    allowed: tuple[str, ...] = ()
    fits: Callable[[Any], bool] | None = None
    wanted: str = ""


def read_options(lines: Iterable[str]) -> dict[str, str]:
    """`name = value` lines; empty ones say nothing."""
    found: dict[str, str] = {}
    for line in filter(str.strip, lines):
        name, sign, value = line.partition("=")
        if not sign or not name.strip():
            raise DomainError(f"“{line.strip()}” is not name = value.", field="options")
        found[name.strip()] = value.strip()
    return found


def frozen(layout: str, options: Sequence[Option], given: Mapping[str, Any]) -> dict[str, Any]:
    """Every option with its value. `DomainError` names what is not known or not allowed."""
    known = {option.name: option for option in options}
    for name in given:
        if name not in known:
            allowed = ", ".join(known) or "none"
            raise DomainError(f"The layout {layout} has no option {name}; there are {allowed}.", field="options")
    return {
        name: _fitting(layout, option, given[name]) if name in given else option.default
        for name, option in known.items()
    }


def _fitting(layout: str, option: Option, given: Any) -> Any:
    value = _value(layout, option, given)
    if option.fits is not None and not option.fits(value):
        raise _refused(layout, option, given, option.wanted)
    return value


def _value(layout: str, option: Option, value: Any) -> Any:
    """The value in the option's own type; words from a command line or a form become numbers."""
    if option.allowed:
        if value not in option.allowed:
            raise _refused(layout, option, value, " or ".join(option.allowed))
        return value
    if isinstance(option.default, bool):
        words = {"true": True, "false": False, True: True, False: False}
        if not isinstance(value, bool | str) or value not in words:
            raise _refused(layout, option, value, "true or false")
        return words[value]
    if isinstance(option.default, int | float):
        return _number(layout, option, value)
    if not isinstance(value, type(option.default)):
        raise _refused(layout, option, value, f"a {type(option.default).__name__}")
    return value


def _number(layout: str, option: Option, value: Any) -> int | float:
    try:
        number = float(value)
    except (TypeError, ValueError):
        number = math.nan
    if not math.isfinite(number):
        raise _refused(layout, option, value, "a number")
    return int(number) if number.is_integer() else number


def _refused(layout: str, option: Option, value: Any, allowed: str) -> DomainError:
    return DomainError(f"{layout}: {option.name} is {value!r}; allowed is {allowed}.", field="options")
