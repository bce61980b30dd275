"""The layout `joint_preference`: two pairs of prompt and response, and which is better, where the two sides may have
been asked different things."""

from collections.abc import Iterator

from annotation.exports.judged.rows import JudgedItem
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
from annotation.exports.layouts.fields import Field
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

LABELS = ("a", "b", "tie", "both_bad", "cannot_judge")


class JointPreference(OverItems):
    """One record per judgement and pair; `a` and `b` have no order of meaning. Every answer has a label, ties too."""

    name = "joint_preference"
    title = "Pairs of prompt and response against each other"
    options = (*WHICH, QUESTION, THRESHOLD, FORM)
    unique = {"joint_preference": ("comparison_id", "question", "a_id", "b_id")}

    def tables(self, reading: Reading) -> tuple[Table, ...]:
        form = reading.options["form"]
        fields = (
            text_field("prompt_a", "What a answers.", form),
            text_field("response_a", "The first answer.", form),
            text_field("prompt_b", "What b answers.", form),
            text_field("response_b", "The second answer.", form),
            Field("label", "string", "Which side is better.", allowed=LABELS),
            Field("same_prompt", "boolean", "Whether both answer the same."),
            Field("strength", "number", "How much better, on the scale of the question.", nullable=True),
            *side_columns("a"),
            *side_columns("b"),
            *VOTE_COLUMNS,
        )
        return (Table("joint_preference", "Two sides and which is better per record.", fields, NESTED),)

    def refuse(self, reading: Reading) -> None:
        refuse_without_comparison(self.name, reading)

    def item_records(self, through: Pass, item: JudgedItem) -> Rows:
        form, names = through.option("form"), through.names
        for vote in item.votes:
            said = counted_statement(through, item, vote)
            for pair in said.pairs if said else ():
                a, b = item.by_id[pair.first], item.by_id[pair.second]
                prompts = prompt_messages(item, a), prompt_messages(item, b)
                label = {"first": "a", "second": "b"}.get(pair.outcome, pair.outcome)
                through.count(f"labels: {label}")
                yield (
                    "joint_preference",
                    {
                        "prompt_a": prompt_in(form, prompts[0]),
                        "response_a": response_in(form, a),
                        "prompt_b": prompt_in(form, prompts[1]),
                        "response_b": response_in(form, b),
                        "label": label,
                        "same_prompt": prompts[0] == prompts[1],
                        "strength": pair.strength,
                        **side("a", names, item, vote, pair.first),
                        **side("b", names, item, vote, pair.second),
                        **vote_columns(names, item, vote, question=said.question if said else "", rule=pair.rule),
                    },
                )

    def check(self, reading: Reading, written: Written) -> Iterator[Problem]:
        yield from super().check(reading, written)
        for line, record in written.rows("joint_preference") if written.has("joint_preference") else ():
            if record["same_prompt"] != (record["prompt_a"] == record["prompt_b"]):
                yield Problem(written.file("joint_preference"), line, "same_prompt: does not fit the prompts")
