"""The layout `helpsteer2_preference`: the published shape of HelpSteer2's preference part: two answers, a strength from
-3 to 3, and why."""

import hashlib
from collections.abc import Iterator, Sequence
from itertools import combinations
from typing import Any

from annotation.exports.judged.rows import JudgedItem, Vote
from annotation.exports.judged.texts import as_string, response_text, shared_prompt
from annotation.exports.layouts.base import Problem, Table, Written
from annotation.exports.layouts.fields import Field, Record
from annotation.exports.layouts.named import asks, refuse_without, rounded
from annotation.exports.layouts.options import Option
from annotation.exports.layouts.over_items import NESTED, SEED, WHICH, OverItems, Pass, Rows
from annotation.exports.reading import Reading

NEITHER_VALID = -100
STRONGEST = 3
MOST_SIMILAR = 3
ELABORATED = Field(
    "preference",
    "struct",
    fields=(
        Field("statement", "string", "The preference in a sentence.", nullable=True),
        Field("elaboration", "string", "Why.", nullable=True),
        Field(
            "strength", "integer", "Below 0: response 1 is better; -100: neither is valid.", least=NEITHER_VALID, most=3
        ),
    ),
)


class HelpSteer2Preference(OverItems):
    """A pair per record. Response 1 is the candidate that came first in the item, whatever the annotator saw first."""

    name = "helpsteer2_preference"
    title = "The preferences of HelpSteer2"
    options = (
        *WHICH,
        Option("preference", "The graded preference.", "preference"),
        Option("statement", "The question for the statement.", "preference_statement"),
        Option("elaboration", "The question for the elaboration.", "preference_elaboration"),
        Option(
            "validation",
            "The share of prompts in the validation split.",
            0.05,
            fits=lambda share: 0 <= share < 1,
            wanted="a share from 0 to below 1",
        ),
        SEED,
    )

    def tables(self, reading: Reading) -> tuple[Table, ...]:
        fields = (
            Field("split", "string", "By prompt: equal prompts are in the same one.", allowed=("train", "validation")),
            Field("prompt", "string", "What was asked."),
            Field("response_1", "string", "The first answer."),
            Field("response_2", "string", "The second answer."),
            Field(
                "preference_strength",
                "integer",
                "Below 0: response 1 is better. The mean of the three most similar, rounded.",
                least=-STRONGEST,
                most=STRONGEST,
            ),
            Field("preference_statement", "string", "Of the one closest to the strength.", nullable=True),
            Field("preference_elaboration", "string", "Of the same one.", nullable=True),
            Field("three_most_similar_preferences", "list", "Those that lie closest together.", item=ELABORATED),
            Field(
                "all_preferences_unprocessed", "list", "Everybody's, in the order in which they came.", item=ELABORATED
            ),
        )
        return (Table("helpsteer2_preference", "A pair per record.", fields, NESTED),)

    def refuse(self, reading: Reading) -> None:
        names = [reading.options[name] for name in ("preference", "statement", "elaboration")]
        refuse_without(self.name, reading, names)

    def item_records(self, through: Pass, item: JudgedItem) -> Rows:
        votes = [vote for vote in item.votes if asks(vote, through.option("preference"))]
        prompt = shared_prompt(item, item.candidates)
        if not votes or len(item.candidates) != 2 or prompt is None:
            through.count("items left out: not a pair with one prompt under this preference")
            return
        given = [one for vote in votes if (one := _elaborated(through, item, vote)) is not None]
        valid = [one for one in given if one["strength"] != NEITHER_VALID]
        if not valid:
            through.count("items left out: nobody found either valid")
            return
        similar = most_similar(valid)
        strength = rounded(one["strength"] for one in similar)
        closest = min(similar, key=lambda one: abs(one["strength"] - strength))
        text = as_string(prompt)
        yield (
            "helpsteer2_preference",
            {
                "split": split_of(text, through.option("validation"), through.option("seed")),
                "prompt": text,
                "response_1": response_text(item.candidates[0]),
                "response_2": response_text(item.candidates[1]),
                "preference_strength": strength,
                "preference_statement": closest["statement"],
                "preference_elaboration": closest["elaboration"],
                "three_most_similar_preferences": similar,
                "all_preferences_unprocessed": given,
            },
        )

    def check(self, reading: Reading, written: Written) -> Iterator[Problem]:
        yield from super().check(reading, written)
        if not written.has(self.name):
            return
        for line, record in written.rows(self.name):
            for one in record["three_most_similar_preferences"]:
                if one not in record["all_preferences_unprocessed"] or one["strength"] == NEITHER_VALID:
                    yield Problem(
                        written.file(self.name), line, "three_most_similar_preferences: one is no valid answer"
                    )


def _elaborated(through: Pass, item: JudgedItem, vote: Vote) -> Record | None:
    value: Any = vote.value(through.option("preference"))
    if value == "cannot_judge":
        # nothing is said about the answers, least of all that neither is valid
        through.count("preferences left out: cannot judge")
        return None
    if isinstance(value, str):
        strength = {"tie": 0, item.ids[0]: -1, item.ids[1]: 1}.get(value, NEITHER_VALID)
    elif value is None:
        through.count(f"preferences left out: {vote.answer(through.option('preference'))['missing'] or 'no answer'}")
        return None
    else:
        sign = 0 if value["toward"] is None else -1 if value["toward"] == item.ids[0] else 1
        strength = sign * min(STRONGEST, int(value["strength"]))
    through.count("preferences: neither valid" if strength == NEITHER_VALID else "preferences")
    return {
        "statement": vote.value(through.option("statement")),
        "elaboration": vote.value(through.option("elaboration")),
        "strength": strength,
    }


def most_similar(given: Sequence[Record]) -> list[Record]:
    """The three whose strengths lie within the smallest range, the earliest of equal choices; all where there are
    fewer."""
    groups = combinations(given, min(MOST_SIMILAR, len(given)))
    strengths = [
        (max(one["strength"] for one in group) - min(one["strength"] for one in group), group) for group in groups
    ]
    return list(min(strengths, key=lambda pair: pair[0])[1])


def split_of(prompt: str, validation: float, seed: int) -> str:
    """A prompt's split follows from its text and the seed alone."""
    digest = hashlib.sha256(f"{seed}/{prompt}".encode()).digest()
    return "validation" if int.from_bytes(digest[:8]) / 2**64 < validation else "train"
