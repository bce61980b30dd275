"""What changed between two canonical documents, readable, and which changes break the data: a question, step or choice
that people answered under one version and cannot be put beside answers under the other."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from annotation.studies.texts import ANY

Canonical = Mapping[str, Any]
# a change of one of these keys of a question changes what its answers mean
_MEANING = {"scale", "points", "total", "decimals", "source", "exclusive", "other", "na_rows", "unit"}
_KEYS = {"choices", "rows"}
_NAMED = ("name", "version")


@dataclass(frozen=True, slots=True)
class Change:
    """One difference. `breaks` says what it does to the data; empty where it does nothing."""

    path: str
    text: str
    breaks: str = ""

    def __str__(self) -> str:
        return f"{self.path}: {self.text}" + (f"  [breaks the data: {self.breaks}]" if self.breaks else "")


def changes(before: Canonical, after: Canonical) -> list[Change]:
    """Every difference, in the order of the document."""
    gone = _asked(before) - _asked(after)
    found = [_judged(change, before, after) for change in _compared(before, after, "")]
    reported = {change.path.split(".")[1] for change in found if change.path.startswith("questions.") and change.breaks}
    return found + [
        Change(f"questions.{name}", "is not asked any more", "its answers end here") for name in sorted(gone - reported)
    ]


def breaking(found: list[Change]) -> list[Change]:
    return [change for change in found if change.breaks]


# -- what differs ----------------------------------------------------------------------------------------------------
def _compared(before: Any, after: Any, path: str) -> Iterator[Change]:
    before, after = _keyed(before), _keyed(after)
    if isinstance(before, dict) and isinstance(after, dict) and not _is_text(before) | _is_text(after):
        for key in [*before, *(key for key in after if key not in before)]:
            place = f"{path}.{key}" if path else str(key)
            if key not in after:
                yield Change(place, f"removed: {_short(before[key])}")
            elif key not in before:
                yield Change(place, f"added: {_short(after[key])}")
            else:
                yield from _compared(before[key], after[key], place)
        both = [key for key in before if key in after]
        if both != [key for key in after if key in before]:
            yield Change(path or "the document", f"the order is now {', '.join(after)}")
    elif before != after:
        yield Change(path, f"{_short(before)} → {_short(after)}")


def _keyed(node: Any) -> Any:
    """Lists of named things are compared by name, so that one more step is one change."""
    if not isinstance(node, list) or not node:
        return node
    for key in _NAMED:
        if all(isinstance(part, dict) and isinstance(part.get(key), str) for part in node):
            return {part[key]: part for part in node}
    return node


def _is_text(node: Mapping[str, Any]) -> bool:
    return set(node) == {ANY}


def _short(node: Any) -> str:
    if isinstance(node, dict) and _is_text(node):
        node = node[ANY]
    text = f"“{node}”" if isinstance(node, str) else str(node)
    return text if len(text) <= 100 else f"{text[:97]}…"


# -- what breaks the data --------------------------------------------------------------------------------------------
def _judged(change: Change, before: Canonical, after: Canonical) -> Change:
    parts = change.path.split(".")
    reason = ""
    if parts[0] == "questions" and len(parts) > 1 and parts[1] in _asked(before):
        reason = _question_reason(parts, before, after)
    elif parts[0] == "steps" and len(parts) == 2:
        reason = "what was answered in this step ends here" if change.text.startswith("removed") else ""
    elif parts[0] == "steps" and parts[-1] == "kind":
        reason = "the step becomes another one"
    elif parts[0] == "steps" and len(parts) > 3 and parts[2] == "types" and change.text.startswith("removed"):
        reason = "conversations of this type end here"
    return Change(change.path, change.text, reason)


def _question_reason(parts: list[str], before: Canonical, after: Canonical) -> str:
    name = parts[1]
    if name not in after["questions"]:
        return "the question is removed or renamed"
    if len(parts) == 2:
        return ""
    if before["questions"][name]["kind"] != after["questions"][name]["kind"]:
        return "the question becomes another kind" if parts[2] == "kind" else ""
    if parts[2] in _MEANING:
        return "answers before and after are on different scales"
    if parts[2] in _KEYS:
        old, new = (set(document["questions"][name].get(parts[2]) or {}) for document in (before, after))
        if old != new and (len(parts) == 3 or parts[3] not in old & new):
            return "answers before and after are from different lists"
    return ""


def _asked(document: Canonical) -> set[str]:
    """The questions that people meet somewhere in the document."""
    asked: set[str] = set()
    for step in document["steps"]:
        for page in step.get("pages") or []:
            asked |= set(page["questions"])
        for block in step.get("after") or []:
            asked |= set(block["questions"])
        asked |= {quizzed["question"] for quizzed in step.get("quiz") or []}
        named = [step[part]["protocol"] for part in ("opening", "turns") if part in step]
        # a version from before there were comparisons has neither list nor `before`
        named += step["protocol"] if step["kind"] == "comparisons" else []
        for protocol in (document["protocols"][name] for name in named):
            asked |= {*protocol.get("before", ()), *protocol["per_candidate"], *protocol["about_item"]}
    return asked
