"""Which values a sampling parameter may have in the catalogue: the same that a study's document may give it."""

import math
from collections.abc import Iterator, Mapping
from typing import Any

_NUMBERS: dict[str, tuple[float, float, str]] = {
    "temperature": (0, 5, "from 0 to 5"),
    "top_p": (0, 1, "above 0, up to 1"),
    "min_p": (0, 1, "from 0 to 1"),
    "repetition_penalty": (0, math.inf, "above 0"),
    "presence_penalty": (-2, 2, "from -2 to 2"),
    "frequency_penalty": (-2, 2, "from -2 to 2"),
}
_ABOVE_LOWEST = frozenset({"top_p", "repetition_penalty"})
_WHOLE: dict[str, tuple[int, float, str]] = {
    "top_k": (0, math.inf, "from 0"),
    "max_tokens": (1, 32_768, "from 1 to 32768"),
    "min_tokens": (0, math.inf, "from 0"),
}
DEFAULTABLE = (*_NUMBERS, *_WHOLE, "stop")
"""What may be sent where a study says nothing: all but the seed, which is drawn for each answer."""


def wrong_values(given: Mapping[str, Any]) -> Iterator[str]:
    """What is wrong with them, a sentence each."""
    for name, value in given.items():
        if name in _NUMBERS and not _is_number(name, value):
            yield f"{name} is a number {_NUMBERS[name][2]}, and not {value!r}"
        elif name in _WHOLE and not _is_whole(name, value):
            yield f"{name} is a whole number {_WHOLE[name][2]}, and not {value!r}"
        elif name == "stop" and not _are_texts(value):
            yield f"stop is a list of texts, and not {value!r}"
        elif name not in DEFAULTABLE:
            yield f"{name} is unknown; known are {', '.join(DEFAULTABLE)}"


def _is_number(name: str, value: Any) -> bool:
    if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value):
        return False
    lowest, highest, _ = _NUMBERS[name]
    return lowest <= value <= highest and not (name in _ABOVE_LOWEST and value == lowest)


def _is_whole(name: str, value: Any) -> bool:
    lowest, highest, _ = _WHOLE[name]
    return isinstance(value, int) and not isinstance(value, bool) and lowest <= value <= highest


def _are_texts(value: Any) -> bool:
    return isinstance(value, list) and all(isinstance(one, str) and one for one in value)
