"""What one request wants, checked before it can touch the batch. No torch here.

Ranges follow the OpenAI chat API; `top_k`, `min_p`, `repetition_penalty` and `min_tokens` follow transformers.
Whatever is not named here is refused by its name."""

import math
import secrets
from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields
from typing import Any

TOO_LONG = "context_length_exceeded"
MAX_STOPS = 16
MAX_STOP_CHARS = 200
MAX_TOP_LOGPROBS = 20


class InvalidRequestError(ValueError):
    """The request cannot be honoured; `parameter` names what is wrong with it, `code` the kind of wrong in the words of
    OpenAI's API."""

    def __init__(self, parameter: str, message: str, code: str = "invalid_value") -> None:
        super().__init__(message)
        self.parameter = parameter
        self.code = code


@dataclass(frozen=True, slots=True)
class Parameters:
    """Every parameter with the value that is really used (a temperature below 1e-5 is 0). `seed` and `choice` determine
    all random numbers. `adapter` is the number of the LoRA adapter that the answer goes through, 0 for none."""

    max_tokens: int
    seed: int
    temperature: float = 1.0
    top_p: float = 1.0
    top_k: int = 0
    min_p: float = 0.0
    repetition_penalty: float = 1.0
    presence_penalty: float = 0.0
    frequency_penalty: float = 0.0
    min_tokens: int = 0
    stop: tuple[str, ...] = ()
    choice: int = 0
    logprobs: bool = False
    top_logprobs: int = 0
    adapter: int = 0

    def report(self) -> dict[str, Any]:
        """All that has a say in the text, for the answer's provenance."""
        said = asdict(self) | {"stop": list(self.stop)}
        return {name: value for name, value in said.items() if name not in _UNSAID}


HONOURED = frozenset(field.name for field in fields(Parameters)) - {"choice", "adapter"}
"""The names of the sampling parameters that a request may carry."""

# They change nothing in the text; or the model's own facts say it.
_UNSAID = ("logprobs", "top_logprobs", "adapter")
_FLOATS: dict[str, tuple[float, float, str]] = {
    "temperature": (0.0, 2.0, "from 0 to 2"),
    "top_p": (0.0, 1.0, "above 0, up to 1"),
    "min_p": (0.0, 1.0, "from 0 to 1"),
    "repetition_penalty": (0.1, 10.0, "from 0.1 to 10"),
    "presence_penalty": (-2.0, 2.0, "from -2 to 2"),
    "frequency_penalty": (-2.0, 2.0, "from -2 to 2"),
}
# Below this a temperature cannot be told from 0 by any logits, and single precision would soon divide by nought.
_COLDEST = 1e-5


def resolve(wanted: Mapping[str, Any], defaults: Mapping[str, Any], *, room: int, choice: int = 0) -> Parameters:
    """The parameters to use: what is asked, else the model's own default, else neutral values.

    `room` is the number of tokens that the context still holds after the prompt. Without a seed one is drawn, so that
    the answer can be had again. Raises `InvalidRequestError` naming the parameter."""
    if unknown := sorted(set(wanted) - HONOURED):
        raise InvalidRequestError(unknown[0], f"unknown parameters: {', '.join(unknown)}")
    given = {name: value for name, value in (dict(defaults) | dict(wanted)).items() if value is not None}
    for name in _FLOATS.keys() & given.keys():
        given[name] = _float(name, given[name])
    for name in {"top_k", "min_tokens", "max_tokens", "seed", "top_logprobs"} & given.keys():
        given[name] = _integer(name, given[name])
    _check_logprobs(given)
    given["stop"] = _stops(given.get("stop", ()))
    given["top_k"] = max(given.get("top_k", 0), 0)
    given.setdefault("max_tokens", room)
    given.setdefault("seed", secrets.randbits(62))
    parameters = Parameters(**given, choice=choice)
    _check_lengths(parameters, room)
    return parameters


def _float(name: str, value: Any) -> float:
    low, high, words = _FLOATS[name]
    if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value):
        raise InvalidRequestError(name, f"{name} must be a number {words}")
    if not low <= value <= high or (name == "top_p" and value == 0):
        raise InvalidRequestError(name, f"{name} must be {words}, not {value}")
    return 0.0 if name == "temperature" and value < _COLDEST else float(value)


def _integer(name: str, value: Any) -> int:
    if isinstance(value, bool) or not isinstance(value, int):
        raise InvalidRequestError(name, f"{name} must be a whole number")
    lowest = {"top_k": -1, "min_tokens": 0, "max_tokens": 1, "seed": -(2**63), "top_logprobs": 0}[name]
    if not lowest <= value < 2**63:
        raise InvalidRequestError(name, f"{name} must be at least {lowest}, not {value}")
    return value


def _check_logprobs(given: Mapping[str, Any]) -> None:
    if not isinstance(given.get("logprobs", False), bool):
        raise InvalidRequestError("logprobs", "logprobs must be true or false")
    if given.get("top_logprobs", 0) > MAX_TOP_LOGPROBS:
        raise InvalidRequestError("top_logprobs", f"top_logprobs must be at most {MAX_TOP_LOGPROBS}")
    if given.get("top_logprobs", 0) and not given.get("logprobs"):
        raise InvalidRequestError("top_logprobs", "top_logprobs needs logprobs")


def _stops(value: Any) -> tuple[str, ...]:
    stops = (value,) if isinstance(value, str) else tuple(value) if isinstance(value, list | tuple) else None
    if stops is None or not all(isinstance(stop, str) and 0 < len(stop) <= MAX_STOP_CHARS for stop in stops):
        raise InvalidRequestError("stop", f"stop must be texts of 1 to {MAX_STOP_CHARS} characters")
    if len(stops) > MAX_STOPS:
        raise InvalidRequestError("stop", f"at most {MAX_STOPS} stop texts")
    return stops


def _check_lengths(parameters: Parameters, room: int) -> None:
    if room < 1:
        message = "the messages leave no room for an answer in the model's context"
        raise InvalidRequestError("messages", message, TOO_LONG)
    if parameters.max_tokens > room:
        message = f"max_tokens is {parameters.max_tokens}, but after the prompt the context has room for {room}"
        raise InvalidRequestError("max_tokens", message, TOO_LONG)
    if parameters.min_tokens > parameters.max_tokens:
        raise InvalidRequestError("min_tokens", "min_tokens must not be more than max_tokens")
