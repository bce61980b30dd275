"""Conditions on earlier answers: `{lm_direct_use: "Yes"}`, `{age: {in: […]}}`, `{all: […]}`, `{any: […]}`,
`{not: …}`."""

from collections.abc import Iterator, Mapping
from typing import Annotated, Any

from pydantic import AfterValidator

COMBINERS = {"all", "any", "not"}
REASONS = ("not_shown", "unanswered", "not_applicable", "prefer_not_to_say")
TESTS = {"is", "in", "contains", "at_least", "at_most", "missing"}


def _checked(condition: dict[str, Any]) -> dict[str, Any]:
    if len(condition) != 1:
        raise ValueError("a condition has exactly one key: a question's name, all, any or not")
    key, value = next(iter(condition.items()))
    if key in {"all", "any"}:
        if not isinstance(value, list) or not value or not all(isinstance(part, dict) for part in value):
            raise ValueError(f"{key} takes a list of conditions")
        for part in value:
            _checked(part)
    elif key == "not":
        if not isinstance(value, dict):
            raise ValueError("not takes a condition")
        _checked(value)
    elif isinstance(value, dict):
        _checked_test(key, value)
    return condition


def _checked_test(key: str, test: dict[str, Any]) -> None:
    if len(test) != 1 or not set(test) <= TESTS:
        raise ValueError(f"{key}: allowed are a value, or one of {', '.join(sorted(TESTS))}")
    kind, wanted = next(iter(test.items()))
    if kind == "in" and not isinstance(wanted, list):
        raise ValueError(f"{key}: in takes a list of values")
    if kind in {"at_least", "at_most"} and (isinstance(wanted, bool) or not isinstance(wanted, int | float)):
        raise ValueError(f"{key}: {kind} takes a number")
    if kind == "missing" and wanted not in (True, False, *REASONS):
        raise ValueError(f"{key}: missing takes true, false, {', '.join(REASONS)}")


Condition = Annotated[dict[str, Any], AfterValidator(_checked)]


def names(condition: Mapping[str, Any]) -> Iterator[str]:
    """The questions that a condition reads."""
    key, value = next(iter(condition.items()))
    if key == "not":
        yield from names(value)
    elif key in COMBINERS:
        for part in value:
            yield from names(part)
    else:
        yield key


def tests(condition: Mapping[str, Any]) -> Iterator[tuple[str, str, Any]]:
    """(question, test, wanted) of every leaf."""
    key, value = next(iter(condition.items()))
    if key == "not":
        yield from tests(value)
    elif key in COMBINERS:
        for part in value:
            yield from tests(part)
    else:
        kind, wanted = next(iter(value.items())) if isinstance(value, dict) else ("is", value)
        yield key, kind, wanted


def holds(condition: Mapping[str, Any], answers: Mapping[str, Mapping[str, Any]]) -> bool:
    """Whether it holds, given stored answers by question name (`Answer.stored()`)."""
    key, value = next(iter(condition.items()))
    if key == "all":
        return all(holds(part, answers) for part in value)
    if key == "any":
        return any(holds(part, answers) for part in value)
    if key == "not":
        return not holds(value, answers)
    return _test(value if isinstance(value, dict) else {"is": value}, answers.get(key))


def partial(
    condition: Mapping[str, Any], answers: Mapping[str, Mapping[str, Any]], prefixes: Mapping[str, str]
) -> bool | dict[str, Any]:
    """What is left of a condition for a page on which some of its questions are still asked: those are named by their
    prefixes, everything else is decided by the stored answers."""
    key, value = next(iter(condition.items()))
    if key == "not":
        part = partial(value, answers, prefixes)
        return not part if isinstance(part, bool) else {"not": part}
    if key in COMBINERS:
        decides = key == "any"
        parts = [partial(part, answers, prefixes) for part in value]
        if decides in parts:
            return decides
        left = [part for part in parts if not isinstance(part, bool)]
        return {key: left} if left else not decides
    if key in prefixes:
        return {prefixes[key]: value}
    return holds(condition, answers)


def strength(value: Any) -> Any:
    """What a condition compares: the value; of a graded preference its strength, whichever side it is for."""
    return value["strength"] if isinstance(value, dict) and set(value) == {"toward", "strength"} else value


def _test(test: Mapping[str, Any], stored: Mapping[str, Any] | None) -> bool:
    kind, wanted = next(iter(test.items()))
    missing = "not_shown" if stored is None else stored["missing"]
    if kind == "missing":
        return bool(missing) if isinstance(wanted, bool) else missing == wanted
    if stored is None or missing:
        return False
    value = strength(stored["value"])
    match kind:
        case "is":
            return bool(value == wanted)
        case "in":
            return value in wanted
        case "contains":
            return isinstance(value, list | dict | str) and wanted in value
        case "at_least":
            return isinstance(value, int | float) and value >= wanted
        case _:
            return isinstance(value, int | float) and value <= wanted
