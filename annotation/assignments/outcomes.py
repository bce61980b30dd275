"""What stored answers say about two candidates, and whether answers of several people agree. Pure: it reads the shapes
that question kinds store, and no tables."""

import json
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

# question → target ("" or a candidate's id) → stored answer
Answers = Mapping[str, Mapping[str, Mapping[str, Any]]]
TIE = 0.5


def win_of_first(answers: Answers, question: str, first: str, second: str) -> float | None:
    """1 where the first is better, 0 where the second is, 0.5 where they tie; `None` where the answer says nothing
    about the two, or only that neither is any good. Without a `question`, the first one that says something."""
    for name in [question] if question else list(answers):
        targets = answers.get(name, {})
        if "" in targets:
            won = _by_value(targets[""].get("value"), first, second)
        else:
            won = _by_number(*(targets.get(candidate, {}).get("value") for candidate in (first, second)), high=True)
        if won is not None:
            return won
    return None


def _by_value(value: Any, first: str, second: str) -> float | None:
    match value:
        case "tie":
            return TIE
        case str():
            return _by_number(value == first, value == second, high=True) if value in {first, second} else None
        case {"toward": toward}:
            return TIE if toward is None else _by_value(toward, first, second)
        case {"ranks": ranks}:
            return _by_number(ranks.get(first), ranks.get(second), high=False)
        case {"best": best, "worst": worst}:
            standing = [(one == best) - (one == worst) for one in (first, second)]
            return None if standing[0] == standing[1] else float(standing[0] > standing[1])
        case list():
            picked = [one in value for one in (first, second)]
            return None if picked[0] == picked[1] else float(picked[0])
        case dict():
            return _by_number(value.get(first), value.get(second), high=True)
    return None


def _by_number(first: Any, second: Any, *, high: bool) -> float | None:
    if not (isinstance(first, int | float) and isinstance(second, int | float)):
        return None
    return TIE if first == second else float((first > second) == high)


def divided(answers: Iterable[Answers], question: str, threshold: float, order: Sequence[str]) -> bool:
    """Whether people disagree about a question: by more than `threshold` between the lowest and the highest number, or,
    where not all answers are numbers, at all. About several candidates: about any of them. `order` holds the
    candidates' ids as the item has them, so that a graded preference is a number whoever stood first."""
    said: dict[str, list[Any]] = {}
    for one in answers:
        for target, stored in one.get(question, {}).items():
            if not stored.get("missing"):
                said.setdefault(target, []).append(_comparable(stored.get("value"), order))
    return any(_differ(values, threshold) for values in said.values())


def _comparable(value: Any, order: Sequence[str]) -> Any:
    match value:
        case {"toward": toward, "strength": strength}:
            return 0 if toward is None else strength * (-1 if toward == order[0] else 1)
        case bool() | str() | None:
            return value
        case int() | float():
            return value
    return json.dumps(value, sort_keys=True)


def _differ(values: Sequence[Any], threshold: float) -> bool:
    numbers = [value for value in values if isinstance(value, int | float) and not isinstance(value, bool)]
    if len(numbers) == len(values):
        return max(numbers) - min(numbers) > threshold
    return len(set(values)) > 1
