"""The rules between the records of a `prism` release: counts, foreign keys, one chosen response per interaction,
alternating roles, and that every file tells the same story."""

from collections import Counter, defaultdict
from collections.abc import Iterator
from dataclasses import dataclass, field
from itertools import groupby
from typing import Any

from annotation.exports.layouts.base import Problem, Written
from annotation.exports.layouts.fields import Record
from annotation.exports.layouts.prism.names import EMPTY

# history key → utterance key, of what must be the same in both
SAME = {
    "turn": "turn",
    "content": "model_response",
    "model_provider": "model_provider",
    "model_name": "model_name",
    "score": "score",
    "if_chosen": "if_chosen",
    "within_turn_id": "within_turn_id",
}


@dataclass
class _Seen:
    """Ids and counts of one reading. Ids are kept as numbers: a million of them must fit."""

    ids: dict[str, set[str]] = field(default_factory=lambda: defaultdict(set))
    talks: Counter[str] = field(default_factory=Counter)
    texts: Counter[str] = field(default_factory=Counter)
    finished: dict[str, tuple[int, int]] = field(default_factory=dict)


def check(written: Written, *, surplus_allowed: bool) -> Iterator[Problem]:
    """`surplus_allowed`: in published data later turns marked the chosen response by its text, so two identical ones
    may both be marked; data made here marks exactly one."""
    seen = _Seen()
    yield from _models(written, seen)
    yield from _survey(written, seen)
    yield from _talks(written, seen, surplus_allowed=surplus_allowed)
    yield from _finished(written, seen)
    yield from _wide(written, seen)
    yield from _metadata(written, seen)


def _twice(seen: _Seen, record: Record, key: str, file: str, line: int) -> Iterator[Problem]:
    if record[key] in seen.ids[key]:
        yield Problem(file, line, f"{key}: {record[key]} stands there twice")
    seen.ids[key].add(record[key])


def _unknown(seen: _Seen, record: Record, key: str, file: str, line: int) -> Iterator[Problem]:
    if record[key] is not None and record[key] not in seen.ids[key]:
        yield Problem(file, line, f"{key}: {record[key]} is nowhere else")


def _models(written: Written, seen: _Seen) -> Iterator[Problem]:
    file = written.file("models")
    for line, record in written.rows("models"):
        yield from _twice(seen, record | {"model_name": record["long_name"]}, "model_name", file, line)


def _survey(written: Written, seen: _Seen) -> Iterator[Problem]:
    file = written.file("survey")
    for line, record in written.rows("survey"):
        yield from _twice(seen, record, "user_id", file, line)
        count = record["num_completed_conversations"]
        seen.finished[record["user_id"]] = (line, count)
        if record["survey_only"] != (count == 0):
            yield Problem(file, line, f"survey_only: {record['survey_only']} with {count} num_completed_conversations")
        for sample in ("included_in_US_REP", "included_in_UK_REP"):
            if record[sample] and not record["included_in_balanced_subset"]:
                yield Problem(file, line, f"{sample}: true outside the balanced subset")
        seen.texts["self_description"] += record["self_description"] is not None
        seen.texts["system_string"] += record["system_string"] is not None


def _finished(written: Written, seen: _Seen) -> Iterator[Problem]:
    file = written.file("survey")
    for user, (line, count) in seen.finished.items():
        if seen.talks[user] != count:
            text = f"num_completed_conversations: {count}, but conversations has {seen.talks[user]} of {user}"
            yield Problem(file, line, text)


# -- conversations beside their utterances -----------------------------------------------------------------------------
def _talks(written: Written, seen: _Seen, *, surplus_allowed: bool) -> Iterator[Problem]:
    groups = groupby(written.rows("utterances"), key=lambda row: row[1]["conversation_id"])
    utterances = next(groups, None)
    file = written.file("conversations")
    for line, record in written.rows("conversations"):
        yield from _twice(seen, record, "conversation_id", file, line)
        yield from _unknown(seen, record, "user_id", file, line)
        seen.talks[record["user_id"]] += 1
        seen.texts["open_feedback"] += record["open_feedback"] is not None
        for text in _history(record, surplus_allowed=surplus_allowed):
            yield Problem(file, line, text)
        if utterances is None or utterances[0] != record["conversation_id"]:
            yield Problem(file, line, f"conversation_id: utterances has no rows of {record['conversation_id']} here")
            continue
        yield from _utterances(written, seen, record, list(utterances[1]))
        utterances = next(groups, None)
    while utterances is not None:
        line, record = next(utterances[1])
        yield Problem(written.file("utterances"), line, f"conversation_id: {record['conversation_id']} is nowhere else")
        utterances = next(groups, None)


def _history(record: Record, *, surplus_allowed: bool) -> Iterator[str]:
    items = record["conversation_history"]
    opening = items[0]["content"] if items else EMPTY
    if record["opening_prompt"] != opening:
        yield "opening_prompt: is not the first message of conversation_history"
    turns = [(number, list(group)) for number, group in groupby(items, key=lambda item: item["turn"])]
    if [number for number, _ in turns] != list(range(len(turns))):
        yield f"conversation_history: turns are {', '.join(str(number) for number, _ in turns)}"
    if record["conversation_turns"] != len(turns):
        yield f"conversation_turns: {record['conversation_turns']}, but conversation_history has {len(turns)}"
    for number, group in turns:
        yield from _turn(number, group, surplus_allowed=surplus_allowed)


def _turn(number: int, items: list[Record], *, surplus_allowed: bool) -> Iterator[str]:
    roles = [item["role"] for item in items]
    if roles != ["user"] + ["model"] * (len(roles) - 1) or len(roles) < 2:
        yield f"conversation_history: the roles of turn {number} are {', '.join(roles)}"
        return
    responses = items[1:]
    if any("score" not in item or item["score"] is None for item in responses):
        yield f"conversation_history: turn {number} has a response without a score"
        return
    places = [item["within_turn_id"] for item in responses]
    if sorted(set(places)) != places:
        yield f"conversation_history: within_turn_id of turn {number} is {', '.join(map(str, places))}"
    chosen = [item["content"] for item in responses if item["if_chosen"]]
    if len(chosen) != 1 and not (surplus_allowed and chosen and len(set(chosen)) == 1):
        yield f"conversation_history: turn {number} has {len(chosen)} chosen responses; there must be exactly one"


def _utterances(written: Written, seen: _Seen, talk: Record, rows: list[tuple[int, Record]]) -> Iterator[Problem]:
    file = written.file("utterances")
    told: list[tuple[str, Record]] = []
    prompt = ""
    for item in talk["conversation_history"]:
        if item["role"] == "user":
            prompt = item["content"]
        else:
            told.append((prompt, item))
    if len(told) != len(rows):
        text = (
            f"conversation_id: {talk['conversation_id']} has {len(rows)} rows and {len(told)} responses in its history"
        )
        yield Problem(file, rows[0][0], text)
        return
    interactions: dict[str, int] = {}
    for (line, row), (prompt, item) in zip(rows, told, strict=True):
        yield from _twice(seen, row, "utterance_id", file, line)
        yield from _unknown(seen, row, "model_name", file, line)
        expected: dict[str, Any] = {name: item.get(key) for key, name in SAME.items()}
        expected |= {"user_prompt": prompt}
        expected |= {key: talk[key] for key in ("user_id", "conversation_type", "included_in_balanced_subset")}
        for key, value in expected.items():
            if row[key] != value:
                yield Problem(file, line, f"{key}: differs from conversations")
        if interactions.setdefault(row["interaction_id"], row["turn"]) != row["turn"]:
            yield Problem(file, line, f"interaction_id: {row['interaction_id']} spans two turns")
    for name in interactions:
        yield from _twice(seen, {"interaction_id": name}, "interaction_id", file, rows[0][0])
    if len(interactions) != talk["conversation_turns"]:
        text = f"interaction_id: {len(interactions)} interactions in {talk['conversation_turns']} turns"
        yield Problem(file, rows[0][0], text)


# -- the other files ---------------------------------------------------------------------------------------------------
def _wide(written: Written, seen: _Seen) -> Iterator[Problem]:
    if not written.has("wide"):
        return
    file, count = written.file("wide"), 0
    for line, record in written.rows("wide"):
        count += 1
        for key in ("interaction_id", "conversation_id", "user_id"):
            yield from _unknown(seen, record, key, file, line)
    if count != len(seen.ids["interaction_id"]):
        yield Problem(file, 0, f"{count} rows for {len(seen.ids['interaction_id'])} interactions")


def _metadata(written: Written, seen: _Seen) -> Iterator[Problem]:
    file = written.file("metadata")
    expected = seen.texts | Counter(
        model_response=len(seen.ids["utterance_id"]), user_prompt=len(seen.ids["interaction_id"])
    )
    found: Counter[str] = Counter()
    described: set[str] = set()
    for line, record in written.rows("metadata"):
        found[record["column_id"]] += 1
        for key in ("user_id", "conversation_id", "interaction_id", "utterance_id"):
            yield from _unknown(seen, record, key, file, line)
        if record["utterance_id"] in described:
            yield Problem(file, line, f"utterance_id: {record['utterance_id']} stands there twice")
        elif record["utterance_id"] is not None:
            described.add(record["utterance_id"])
        if (record["utterance_id"] is None) == (record["column_id"] == "model_response"):
            yield Problem(file, line, f"utterance_id: {record['utterance_id']} with column_id {record['column_id']}")
    for column in sorted(expected | found):
        if expected[column] != found[column]:
            yield Problem(file, 0, f"column_id: {found[column]} rows of {column} for {expected[column]} texts")
