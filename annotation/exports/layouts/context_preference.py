"""The layout `context_preference`: a pair compared under a stated context: a criterion, or what the annotator wrote or
picked before the answers showed. Read by context-aware reward models."""

from collections.abc import Iterator

from annotation.exports.judged.rows import JudgedItem, Vote
from annotation.exports.judged.texts import shared_prompt, system_message
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
from annotation.studies.questions.choices import ChoiceQuestion

LABELS = ("a", "b", "tie", "both_bad", "cannot_judge")
FROM = ("answered_before", "criterion", "system_message")


class ContextPreference(OverItems):
    """One record per judgement and pair that has a context. The same pair under other contexts has the same item."""

    name = "context_preference"
    title = "Pairs compared under a context"
    options = (*WHICH, QUESTION, THRESHOLD, FORM)
    unique = {"context_preference": ("comparison_id", "question", "a_id", "b_id")}

    def tables(self, reading: Reading) -> tuple[Table, ...]:
        form = reading.options["form"]
        fields = (
            Field("context", "string", "What the comparison was to go by."),
            Field("context_from", "string", "Where the context comes from.", allowed=FROM),
            Field("context_question", "string", "The question that was answered before.", nullable=True),
            text_field("prompt", "What was asked: the system message and all turns before the answers.", form),
            text_field("a", "The first answer; the two have no order of meaning.", form),
            text_field("b", "The second answer.", form),
            Field("label", "string", "Which is better under the context.", allowed=LABELS),
            Field("strength", "number", "How much better, on the scale of the question.", nullable=True),
            *side_columns("a"),
            *side_columns("b"),
            *VOTE_COLUMNS,
        )
        return (Table("context_preference", "A pair under a context per record.", fields, NESTED),)

    def refuse(self, reading: Reading) -> None:
        refuse_without_comparison(self.name, reading)

    def item_records(self, through: Pass, item: JudgedItem) -> Rows:
        form, names = through.option("form"), through.names
        for vote in item.votes:
            found = context_of(item, vote)
            if found is None:
                through.count("judgements left out: no context")
                continue
            context, source, question = found
            said = counted_statement(through, item, vote)
            for pair in said.pairs if said else ():
                a, b = item.by_id[pair.first], item.by_id[pair.second]
                prompt = shared_prompt(item, (a, b))
                if prompt is None:
                    through.count("pairs left out: the two have prompts of their own")
                    continue
                label = {"first": "a", "second": "b"}.get(pair.outcome, pair.outcome)
                through.count(f"labels: {label}")
                yield (
                    "context_preference",
                    {
                        "context": context,
                        "context_from": source,
                        "context_question": question,
                        "prompt": prompt_in(form, prompt),
                        "a": response_in(form, a),
                        "b": response_in(form, b),
                        "label": label,
                        "strength": pair.strength,
                        **side("a", names, item, vote, pair.first),
                        **side("b", names, item, vote, pair.second),
                        **vote_columns(names, item, vote, question=said.question if said else "", rule=pair.rule),
                    },
                )

    def check(self, reading: Reading, written: Written) -> Iterator[Problem]:
        yield from super().check(reading, written)
        for line, record in written.rows("context_preference") if written.has("context_preference") else ():
            if not record["context"].strip():
                yield Problem(written.file("context_preference"), line, "context: is empty")


def context_of(item: JudgedItem, vote: Vote) -> tuple[str, str, str | None] | None:
    """The context, where it comes from, and the question that gave it: what the annotator answered before, else the
    item's criterion, else its system message."""
    for name in vote.protocol.before if vote.protocol else ():
        value = vote.before(name)["value"]
        question = vote.document.questions[name]
        if isinstance(question, ChoiceQuestion):
            labels = question.listed("en")
            keys = value if isinstance(value, list) else [value]
            value = ", ".join(labels.get(key, str(key)) for key in keys if key is not None)
        if value:
            return str(value), "answered_before", name
    if criterion := item.item.context.get("criterion"):
        return str(criterion), "criterion", None
    system = {system_message(item, candidate) for candidate in item.candidates}
    return (system.pop(), "system_message", None) if len(system) == 1 and system != {""} else None
