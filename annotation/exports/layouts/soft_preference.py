"""The layout `soft_preference`: each pair of candidates once, with everybody's votes on it. Read by training with soft
labels, and by objectives that want to know how often a label is flipped."""

import math
from collections import Counter
from collections.abc import Iterator

from annotation.exports.deriving.pairs import Pair
from annotation.exports.judged.names import Names
from annotation.exports.judged.rows import JudgedItem
from annotation.exports.judged.texts import licence_of, model_of, response_messages, shared_prompt
from annotation.exports.layouts.base import Problem, Table, Written
from annotation.exports.layouts.columns import (
    ITEM_COLUMNS,
    MESSAGES,
    alternates,
    item_columns,
    prompt_in,
    response_in,
    text_field,
)
from annotation.exports.layouts.fields import Field, Record
from annotation.exports.layouts.over_items import (
    FORM,
    NESTED,
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


class SoftPreference(OverItems):
    """One record per item, protocol, question and pair. Nothing is left out: a pair without a majority says so."""

    name = "soft_preference"
    title = "Pairs with the votes on them"
    options = (*WHICH, QUESTION, THRESHOLD, FORM)
    unique = {"soft_preference": ("item_id", "protocol", "question", "a_id", "b_id")}

    def tables(self, reading: Reading) -> tuple[Table, ...]:
        form = reading.options["form"]
        fields = (
            text_field("prompt", "What was asked: the system message and all turns before the answers.", form),
            text_field("chosen", "The one with more votes; without a majority, a.", form),
            text_field("rejected", "The other one.", form),
            Field("majority", "string", "Which of the two chosen is.", allowed=("a", "b", "none")),
            Field("votes_a", "integer", "Votes for a.", least=0),
            Field("votes_b", "integer", "Votes for b.", least=0),
            Field("ties", "integer", "Votes that they are equally good.", least=0),
            Field("both_bad", "integer", "Votes that both are bad.", least=0),
            Field("cannot_judge", "integer", "Votes of people who could not judge.", least=0),
            Field("n", "integer", "All votes.", least=1),
            Field(
                "p_a",
                "number",
                "votes_a / (votes_a + votes_b): ties are in neither. Null where nobody preferred one.",
                nullable=True,
                least=0,
                most=1,
            ),
            Field(
                "flip_rate",
                "number",
                "How often one vote goes against what the annotators lean to: e with 2e(1-e) the share of disagreeing "
                "pairs of votes for a or b; at most 0.5. Null with fewer than two such votes.",
                nullable=True,
                least=0,
                most=0.5,
            ),
            *(
                field
                for side in ("a", "b")
                for field in (
                    Field(f"{side}_id", "string", "The candidate."),
                    Field(f"{side}_model", "string", "Who or what made it.", nullable=True),
                    Field(f"{side}_licence", "string", "The licence that it comes with.", nullable=True),
                )
            ),
            Field("study", "string", "The study."),
            Field("protocol", "string", "The protocol under which it was judged."),
            Field("question", "string", "The question that was answered."),
            Field("label_rule", "string", "How the votes follow from the answers."),
            *ITEM_COLUMNS,
        )
        return (Table("soft_preference", "A pair of candidates with its votes per record.", fields, NESTED),)

    def refuse(self, reading: Reading) -> None:
        refuse_without_comparison(self.name, reading)

    def item_records(self, through: Pass, item: JudgedItem) -> Rows:
        votes: dict[tuple[str, str, str, str], list[Pair]] = {}
        for vote in item.votes:
            said = counted_statement(through, item, vote)
            for pair in said.pairs if said else ():
                place = (vote.judgement.protocol, said.question if said else "", pair.first, pair.second)
                votes.setdefault(place, []).append(pair)
        for (protocol, question, a, b), pairs in votes.items():
            why = _why_left_out(through, item, a, b)
            through.count(f"pairs left out: {why}" if why else "pairs")
            if not why:
                yield "soft_preference", _record(through, item, pairs, protocol, question)

    def check(self, reading: Reading, written: Written) -> Iterator[Problem]:
        yield from super().check(reading, written)
        for line, record in written.rows("soft_preference") if written.has("soft_preference") else ():
            parts = ("votes_a", "votes_b", "ties", "both_bad", "cannot_judge")
            if sum(record[key] for key in parts) != record["n"]:
                yield Problem(written.file("soft_preference"), line, "n: is not the sum of the votes")


def _why_left_out(through: Pass, item: JudgedItem, a: str, b: str) -> str:
    sides = (item.by_id[a], item.by_id[b])
    prompt = shared_prompt(item, sides)
    if prompt is None:
        return "the two have prompts of their own"
    talks = ([*prompt, *response_messages(one)] for one in sides)
    if through.option("form") == MESSAGES and not all(map(alternates, talks)):
        return "the roles of the talk do not alternate"
    return ""


def flip_rate(votes_a: int, votes_b: int) -> float | None:
    """The rate e at which single votes are flipped, from how many pairs of votes disagree: d = 2e(1-e), so
    e = (1 - sqrt(1 - 2d)) / 2, and 0.5 where more than half disagree."""
    n = votes_a + votes_b
    if n < 2:
        return None
    disagreeing = 2 * votes_a * votes_b / (n * (n - 1))
    return round((1 - math.sqrt(max(0.0, 1 - 2 * disagreeing))) / 2, 4)


def _record(through: Pass, item: JudgedItem, pairs: list[Pair], protocol: str, question: str) -> Record:
    form, names = through.option("form"), through.names
    a, b = pairs[0].first, pairs[0].second
    votes = Counter({"first": "a", "second": "b"}.get(pair.outcome, pair.outcome) for pair in pairs)
    majority = "a" if votes["a"] > votes["b"] else "b" if votes["b"] > votes["a"] else "none"
    chosen, rejected = (item.by_id[b], item.by_id[a]) if majority == "b" else (item.by_id[a], item.by_id[b])
    decided = votes["a"] + votes["b"]
    return {
        "prompt": prompt_in(form, shared_prompt(item, (chosen, rejected)) or ()),
        "chosen": response_in(form, chosen),
        "rejected": response_in(form, rejected),
        "majority": majority,
        "votes_a": votes["a"],
        "votes_b": votes["b"],
        "ties": votes["tie"],
        "both_bad": votes["both_bad"],
        "cannot_judge": votes["cannot_judge"],
        "n": len(pairs),
        "p_a": round(votes["a"] / decided, 4) if decided else None,
        "flip_rate": flip_rate(votes["a"], votes["b"]),
        **_side("a", names, item, a),
        **_side("b", names, item, b),
        "study": names.study.slug,
        "protocol": protocol,
        "question": question,
        "label_rule": ", ".join(dict.fromkeys(pair.rule for pair in pairs)),
        **item_columns(names, item),
    }


def _side(side: str, names: Names, item: JudgedItem, pk: str) -> Record:
    made = item.by_id[pk]
    return {
        f"{side}_id": names.of("candidate", pk),
        f"{side}_model": model_of(made),
        f"{side}_licence": licence_of(item, made),
    }
