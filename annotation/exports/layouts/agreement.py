"""The layout `agreement`: what one person said twice about the same two answers, side by side.

Under two protocols that is how far ratings and rankings disagree (Bansal, Dang and Grover 2023, "Peering Through
Preferences"); under two contexts how often a preference turns round (Pitis et al. 2024, "Improving Context-Aware
Preference Modeling"); as a planned repeat how steady the person is. The counts of a release give the shares; nothing is
aggregated in the rows."""

import hashlib
import json
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import combinations

from annotation.accounts.models import Annotator
from annotation.exports.judged.rows import JudgedItem, Vote
from annotation.exports.judged.texts import shared_prompt
from annotation.exports.layouts.base import Outcome, Table
from annotation.exports.layouts.columns import external_id
from annotation.exports.layouts.context_preference import context_of
from annotation.exports.layouts.excluded import KEEP
from annotation.exports.layouts.fields import Field, Record
from annotation.exports.layouts.options import Option
from annotation.exports.layouts.over_items import (
    FLAT,
    QUESTION,
    THRESHOLD,
    WHICH,
    OverItems,
    Pass,
    Rows,
    refuse_without_comparison,
)
from annotation.exports.layouts.pairs import counted_statement
from annotation.exports.reading import Reading

UNDER = ("context", "protocol", "repeat")
LABELS = ("a", "b", "tie", "both_bad")
WITH_REPEATS = tuple(
    Option(option.name, option.text, KEEP, option.allowed) if option.name == "repeats" else option for option in WHICH
)
EACH = (
    Field("comparison_id", "string", "The judgement."),
    Field("item_id", "string", "The item; two items may hold the same two answers."),
    Field("external_id", "string", "The item's id where it came from.", nullable=True),
    Field("protocol", "string", "The protocol under which it was judged."),
    Field("question", "string", "The question that was answered."),
    Field("context", "string", "What the comparison was to go by.", nullable=True),
    Field("a_id", "string", "Of the two answers the one whose content comes first in the alphabet."),
    Field("b_id", "string", "The other one."),
    Field("label", "string", "Which is better.", allowed=LABELS),
)


@dataclass(frozen=True, slots=True)
class _Said:
    """What one judgement says about two answers; `facts` are its columns."""

    person: Record
    facts: Record


class Agreement(OverItems):
    """One record for every two judgements of one person about the same prompt and the same two answers."""

    name = "agreement"
    title = "What one person said twice about the same two answers"
    options = (*WITH_REPEATS, QUESTION, THRESHOLD)
    unique = {"agreement": ("first_comparison_id", "second_comparison_id", "first_a_id", "first_b_id")}

    def tables(self, reading: Reading) -> tuple[Table, ...]:
        fields = (
            Field("annotator", "string", "Who judged both times."),
            Field(
                "annotator_kind", "string", "Person, AI judge or rehearsal bot.", allowed=tuple(Annotator.Kind.values)
            ),
            Field(
                "under", "string", "What was different: the context, else the protocol, else nothing.", allowed=UNDER
            ),
            *(_named(field, place) for place in ("first", "second") for field in EACH),
            Field("differs", "boolean", "The two labels are not the same."),
            Field("turned_round", "boolean", "One prefers a, the other b."),
        )
        return (Table("agreement", "Two judgements of one person about the same two answers.", fields, FLAT),)

    def refuse(self, reading: Reading) -> None:
        refuse_without_comparison(self.name, reading)

    def records(self, reading: Reading, outcome: Outcome) -> Rows:
        self.refuse(reading)
        through = Pass(reading, outcome)
        met: dict[tuple[str, bytes], list[_Said]] = {}
        for item in through.items():
            for vote in item.votes:
                for key, said in _said(through, item, vote):
                    met.setdefault((said.person["annotator"], key), []).append(said)
        for alike in met.values():
            for first, second in combinations(alike, 2):
                # a list that holds the same answer twice says it twice in one judgement
                if first.facts["comparison_id"] != second.facts["comparison_id"]:
                    yield "agreement", _record(through, first, second)


def _named(field: Field, place: str) -> Field:
    return Field(
        f"{place}_{field.name}",
        field.kind,
        f"{place.capitalize()}: {field.text}",
        field.nullable,
        allowed=field.allowed,
    )


def _said(through: Pass, item: JudgedItem, vote: Vote) -> Iterator[tuple[bytes, _Said]]:
    """What the judgement says of each two of its candidates, under a key that those have wherever they stand."""
    statement = counted_statement(through, item, vote)
    found = context_of(item, vote)
    names, person = through.names, vote.participation
    for pair in statement.pairs if statement else ():
        sides = [item.by_id[pair.first], item.by_id[pair.second]]
        prompt = shared_prompt(item, sides)
        contents = {pk: json.dumps(item.by_id[pk].content, sort_keys=True) for pk in (pair.first, pair.second)}
        equal = len(set(contents.values())) == 1
        if equal or pair.outcome == "cannot_judge":
            through.count(f"pairs left out: {'the two are equal' if equal else pair.outcome}")
            continue
        a, b = sorted(contents, key=contents.__getitem__)
        whole = json.dumps([prompt, contents[a], contents[b]])
        yield (
            hashlib.sha256(whole.encode()).digest(),
            _Said(
                {"annotator": names.person(person), "annotator_kind": person.annotator.kind},
                {
                    "comparison_id": names.of("judgement", vote.judgement.pk),
                    "item_id": names.of("item", item.item.pk),
                    "external_id": external_id(names, item.item),
                    "protocol": vote.judgement.protocol,
                    "question": statement.question if statement else "",
                    "context": found[0] if found else None,
                    "a_id": names.of("candidate", a),
                    "b_id": names.of("candidate", b),
                    "label": {a: "a", b: "b"}.get(pair.winner or "", pair.outcome),
                },
            ),
        )


def _record(through: Pass, first: _Said, second: _Said) -> Record:
    one, other = first.facts, second.facts
    under = next((key for key in ("context", "protocol") if one[key] != other[key]), "repeat")
    differs = one["label"] != other["label"]
    turned_round = {one["label"], other["label"]} == {"a", "b"}
    through.count(f"{under}: compared")
    through.count(f"{under}: the labels differ", int(differs))
    through.count(f"{under}: the preference turned round", int(turned_round))
    return {
        **first.person,
        "under": under,
        **{f"first_{key}": value for key, value in one.items()},
        **{f"second_{key}": value for key, value in other.items()},
        "differs": differs,
        "turned_round": turned_round,
    }
