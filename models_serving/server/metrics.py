"""What each model has done, and the page that Prometheus reads.

Answers and refusals are counted here, where they pass, and outlive the model's process. Times, steps and tokens are its
engine's own; they begin anew when it does, as counters of that format may. Source of the form: Prometheus' text
exposition format, version 0.0.4."""

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"
_WHY = {400: "invalid", 429: "busy"}
_ENDS = ("stop", "length", "cancelled", "deadline", "error", "lost")
_REFUSALS = ("busy", "invalid", "unavailable")


@dataclass
class Tally:
    """One model's counts. `answers` is by finish reason, `refused` by why; `lost` answers went with their process."""

    answers: Counter[str] = field(default_factory=Counter)
    refused: Counter[str] = field(default_factory=Counter)
    prompt_tokens: int = 0
    completion_tokens: int = 0
    starts: int = 0

    def over(self, reason: str, prompt_tokens: int, completion_tokens: int) -> None:
        """An answer has ended."""
        self.answers[reason] += 1
        self.prompt_tokens += prompt_tokens
        self.completion_tokens += completion_tokens

    def declined(self, status: int) -> None:
        """A request was not taken, with this HTTP status."""
        self.refused[_WHY.get(status, "unavailable")] += 1

    def lost(self, answers: int) -> None:
        """The process ended in the middle of so many answers."""
        self.answers["lost"] += answers


@dataclass(frozen=True)
class Seen:
    """One model at this moment. `up`: it answers. `load`: requests that run, are being prefilled, and wait. `engine`:
    its engine's tally, empty where nobody answers."""

    name: str
    device: str
    tally: Tally
    up: bool
    in_flight: int
    bytes: int
    load: Mapping[str, int]
    engine: Mapping[str, Any]


_GAUGES: tuple[tuple[str, str, Callable[[Seen], float]], ...] = (
    ("model_up", "1 where the model answers.", lambda seen: seen.up),
    ("requests_in_flight", "Requests that have not ended.", lambda seen: seen.in_flight),
    ("batch_size", "Answers that are generated together now.", lambda seen: seen.load.get("running", 0)),
    ("prefilling", "Requests whose prompt is being read.", lambda seen: seen.load.get("filling", 0)),
    ("queue_length", "Requests that wait for a place.", lambda seen: seen.load.get("waiting", 0)),
)
_COUNTERS: tuple[tuple[str, str, Callable[[Seen], float]], ...] = (
    ("process_starts_total", "Times that the model's process started.", lambda seen: seen.tally.starts),
    ("prompt_tokens_total", "Prompt tokens of ended answers.", lambda seen: seen.tally.prompt_tokens),
    ("completion_tokens_total", "Tokens of ended answers.", lambda seen: seen.tally.completion_tokens),
)
_ENGINE: tuple[tuple[str, str, Callable[[Mapping[str, Any]], float]], ...] = (
    (
        "generated_tokens_total",
        "Tokens drawn; its rate is tokens per second.",
        lambda tally: tally["completion_tokens"],
    ),
    ("decode_steps_total", "Decode steps.", lambda tally: tally["steps"]),
    ("decode_rows_total", "Answers in all decode steps; by steps: the mean batch.", lambda tally: tally["batch_rows"]),
    ("busy_seconds_total", "Seconds that the engine was at work.", lambda tally: tally["busy_seconds"]),
    ("reused_prompt_tokens_total", "Prompt tokens that were there already.", lambda tally: tally["reused_tokens"]),
    ("put_back_total", "Times that a job let a live request go first.", lambda tally: tally["put_back"]),
)
_HISTOGRAMS = (
    ("queued", "queued_seconds", "From arrival to a place, or to the end without one."),
    ("first_token", "first_token_seconds", "From arrival to the first token."),
    ("between_tokens", "between_tokens_seconds", "Between two tokens of an answer."),
)


def page(models: Sequence[Seen], budgets: Mapping[str, int]) -> str:
    """The metrics of all models, and the memory that each device may give, in bytes."""
    awake = [seen for seen in models if seen.engine]
    lines: list[str] = []
    for name, text, read in _GAUGES:
        lines += _family(name, "gauge", text, [({"model": seen.name}, read(seen)) for seen in models])
    placed = [({"model": seen.name, "device": seen.device}, seen.bytes) for seen in models if seen.device]
    lines += _family("memory_bytes", "gauge", "Memory that the model takes of its device.", placed)
    given = [({"device": device}, limit) for device, limit in budgets.items()]
    lines += _family("memory_budget_bytes", "gauge", "Memory that models may take of the device.", given)
    for name, text, read in _COUNTERS:
        lines += _family(name, "counter", text, [({"model": seen.name}, read(seen)) for seen in models])
    ended = [({"model": seen.name, "reason": end}, seen.tally.answers[end]) for seen in models for end in _ENDS]
    lines += _family("answers_total", "counter", "Answers that ended, by reason.", ended)
    refused = [({"model": seen.name, "why": why}, seen.tally.refused[why]) for seen in models for why in _REFUSALS]
    lines += _family("refused_total", "counter", "Requests that were not taken, by reason.", refused)
    for name, text, count in _ENGINE:
        lines += _family(name, "counter", text, [({"model": seen.name}, count(seen.engine)) for seen in awake])
    for member, name, text in _HISTOGRAMS:
        lines += _head(name, "histogram", text)
        for seen in awake:
            lines += _histogram(name, seen.name, seen.engine[member])
    return "\n".join(lines) + "\n"


def _head(name: str, kind: str, text: str) -> list[str]:
    return [f"# HELP plurivox_{name} {text}", f"# TYPE plurivox_{name} {kind}"]


def _family(name: str, kind: str, text: str, samples: Sequence[tuple[Mapping[str, str], float]]) -> list[str]:
    return _head(name, kind, text) + [_sample(name, labels, value) for labels, value in samples]


def _histogram(name: str, model: str, histogram: Mapping[str, Any]) -> list[str]:
    below, lines = 0, []
    for bound, count in zip((*histogram["bounds"], None), histogram["counts"], strict=True):
        below += count
        edge = "+Inf" if bound is None else f"{bound:g}"
        lines.append(_sample(f"{name}_bucket", {"model": model, "le": edge}, below))
    lines.append(_sample(f"{name}_sum", {"model": model}, histogram["total"]))
    return [*lines, _sample(f"{name}_count", {"model": model}, below)]


def _sample(name: str, labels: Mapping[str, str], value: float) -> str:
    escaped = [
        (key, text.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")) for key, text in labels.items()
    ]
    inside = ",".join(f'{key}="{text}"' for key, text in escaped)
    return f"plurivox_{name}{{{inside}}} {float(value):.15g}"
