"""The layout `raw_votes`: every vote on every pair as the annotator saw it, ties and all, nothing aggregated or
left out. Read by fits of Bradley–Terry and its relatives, and by general-preference and Nash methods."""

from collections.abc import Iterator
from typing import get_args

from annotation.exports.deriving.pairs import Pair, Source
from annotation.exports.deriving.statements import Statement, comparing_questions, statements
from annotation.exports.judged.rows import JudgedItem, Vote
from annotation.exports.judged.texts import prompt_messages
from annotation.exports.layouts.base import Problem, Table, Written
from annotation.exports.layouts.columns import (
    VOTE_COLUMNS,
    prompt_in,
    response_in,
    side,
    side_columns,
    text_field,
    vote_columns,
)
from annotation.exports.layouts.excluded import KEEP
from annotation.exports.layouts.fields import Field, Record
from annotation.exports.layouts.options import Option
from annotation.exports.layouts.over_items import (
    FORM,
    NESTED,
    THRESHOLD,
    WHICH,
    OverItems,
    Pass,
    Rows,
    refuse_without_comparison,
)
from annotation.exports.reading import Reading

LABELS = ("a", "b", "tie", "both_bad", "cannot_judge")
OTHER_WAY = {"a": "b", "b": "a"}
ORDERS = Option(
    "orders",
    "shown: a stood before b on the screen. both: every vote a second time with a and b exchanged, marked as mirrored.",
    "shown",
    ("shown", "both"),
)
ONE_QUESTION = Option("question", "Only votes on this question; empty: on every one that compares.", "")
# every vote goes out unless somebody asks for less
KEPT = tuple(
    Option(option.name, option.text, KEEP, option.allowed) if option.name in {"gold", "repeats"} else option
    for option in WHICH
)


class RawVotes(OverItems):
    """One record per judgement, question and pair: `a` is the one that stood first on the screen."""

    name = "raw_votes"
    title = "Every vote on every pair, nothing aggregated"
    options = (*KEPT, ONE_QUESTION, THRESHOLD, FORM, ORDERS)
    unique = {"raw_votes": ("comparison_id", "question", "a_id", "b_id")}

    def tables(self, reading: Reading) -> tuple[Table, ...]:
        form = reading.options["form"]
        fields = (
            text_field("prompt_a", "What was asked before a.", form),
            text_field("response_a", "The candidate that stood first.", form),
            text_field(
                "prompt_b", "What was asked before b; the same as prompt_a unless candidates have their own.", form
            ),
            text_field("response_b", "The candidate that stood second.", form),
            Field("label", "string", "Which is better.", allowed=LABELS),
            Field("source", "string", "The kind of answer that the label follows from.", allowed=get_args(Source)),
            Field("strength", "number", "How much better, on the scale of the question.", nullable=True),
            *side_columns("a"),
            *side_columns("b"),
            Field(
                "seconds", "number", "From the form's showing to its submission, as the browser saw it.", nullable=True
            ),
            Field("mirrored", "boolean", "The same vote again, a and b exchanged."),
            *VOTE_COLUMNS,
        )
        return (Table("raw_votes", "A vote on a pair per record.", fields, NESTED),)

    def refuse(self, reading: Reading) -> None:
        refuse_without_comparison(self.name, reading)

    def item_records(self, through: Pass, item: JudgedItem) -> Rows:
        for vote in item.votes:
            for said in _said(through, item, vote):
                for pair in said.pairs:
                    record = _record(through, item, vote, said, pair)
                    through.count(f"votes: {pair.outcome if pair.winner is None else 'winner'}")
                    yield "raw_votes", record
                    if through.option("orders") == "both":
                        yield "raw_votes", _mirrored(record)

    def check(self, reading: Reading, written: Written) -> Iterator[Problem]:
        yield from super().check(reading, written)
        if not written.has("raw_votes"):
            return
        for line, record in written.rows("raw_votes"):
            if record["a_id"] == record["b_id"]:
                yield Problem(written.file("raw_votes"), line, "a_id: is b_id, too")
            if (record["a_position"] < record["b_position"]) == record["mirrored"]:
                yield Problem(written.file("raw_votes"), line, "mirrored: does not fit the positions")


def _said(through: Pass, item: JudgedItem, vote: Vote) -> Iterator[Statement]:
    wanted = through.option("question")
    found = {said.question: said for said in statements(item, vote, threshold=through.option("threshold"))}
    for name in comparing_questions(vote.document, vote.protocol) if vote.protocol else ():
        if wanted not in {"", name}:
            continue
        if name in found:
            yield found[name]
        elif name != "choice":
            through.count(f"answers without a vote: {vote.answer(name.split('.')[0])['missing'] or 'no answer'}")


def _record(through: Pass, item: JudgedItem, vote: Vote, said: Statement, pair: Pair) -> Record:
    form, names = through.option("form"), through.names
    a, b = sorted((pair.first, pair.second), key=item.shown(vote).index)
    winner = {a: "a", b: "b"}
    return {
        "prompt_a": prompt_in(form, prompt_messages(item, item.by_id[a])),
        "response_a": response_in(form, item.by_id[a]),
        "prompt_b": prompt_in(form, prompt_messages(item, item.by_id[b])),
        "response_b": response_in(form, item.by_id[b]),
        "label": winner[pair.winner] if pair.winner else pair.outcome,
        "source": pair.source,
        "strength": pair.strength,
        **side("a", names, item, vote, a),
        **side("b", names, item, vote, b),
        "seconds": vote.seconds,
        "mirrored": False,
        **vote_columns(names, item, vote, question=said.question, rule=pair.rule),
    }


def _mirrored(record: Record) -> Record:
    """The same vote with a and b exchanged."""
    swapped = {"label": OTHER_WAY.get(record["label"], record["label"]), "mirrored": True}
    for key in record:
        if key.endswith("_a"):
            swapped |= {key: record[f"{key[:-2]}_b"], f"{key[:-2]}_b": record[key]}
        if key.startswith("a_"):
            swapped |= {key: record[f"b_{key[2:]}"], f"b_{key[2:]}": record[key]}
    return record | swapped
