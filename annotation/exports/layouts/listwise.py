"""The layout `listwise`: a prompt with all its candidates and their ranks, and beside it the pairs that follow. Both
tables share `comparison_id`, so that nobody splits one ranking over training and test."""

from collections.abc import Iterator

from annotation.exports.deriving.statements import Statement
from annotation.exports.judged.names import Names
from annotation.exports.judged.rows import JudgedItem, Vote
from annotation.exports.judged.texts import (
    licence_of,
    media_names,
    model_of,
    prompt_media,
    response_messages,
    shared_prompt,
)
from annotation.exports.layouts.base import Problem, Table, Written
from annotation.exports.layouts.columns import (
    MESSAGE,
    MESSAGES,
    PATHS,
    VOTE_COLUMNS,
    alternates,
    prompt_in,
    response_in,
    text_field,
    vote_columns,
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
from annotation.exports.layouts.pairs import (
    counted_statement,
    preference_fields,
    preference_problems,
    preference_records,
)
from annotation.exports.reading import Reading

LISTS = ("responses", "ranks", "scores", "models", "candidate_ids", "positions", "licences", "media")


class Listwise(OverItems):
    """One record per judgement: all candidates by position with their ranks; and the pairs with a winner."""

    name = "listwise"
    title = "Lists: prompt, responses, ranks"
    options = (*WHICH, QUESTION, THRESHOLD, FORM)
    unique = {
        "listwise": ("comparison_id", "question"),
        "pairs": ("comparison_id", "question", "chosen_id", "rejected_id"),
    }

    def tables(self, reading: Reading) -> tuple[Table, ...]:
        form = reading.options["form"]
        response = Field("response", "list", item=MESSAGE) if form == MESSAGES else Field("response", "string")
        text = Field("text", "string", nullable=True)
        fields = (
            text_field("prompt", "What was asked: the system message and all turns before the answers.", form),
            Field("responses", "list", "All candidates, in an order of no meaning.", item=response),
            Field(
                "ranks",
                "list",
                "The rank of each, 1 being the best; equal ones tie; null where it was not or could not be ranked.",
                item=Field("rank", "integer", nullable=True, least=1),
            ),
            Field(
                "scores",
                "list",
                "The number given to each, where there is one.",
                item=Field("n", "number", nullable=True),
            ),
            Field("models", "list", "Who or what made each.", item=text),
            Field("candidate_ids", "list", "The candidates.", item=Field("id", "string")),
            Field(
                "positions", "list", "Where the annotator saw each, from 0.", item=Field("place", "integer", least=0)
            ),
            Field("licences", "list", "The licence of each.", item=text),
            Field("media", "list", "The files of each.", item=Field("files", "list", item=PATHS)),
            Field("all_bad", "boolean", "None of them is good: the ranks tie, and say nothing of their worth."),
            Field("prompt_media", "list", "Files of the prompt, by their path in the data folder.", item=PATHS),
            *VOTE_COLUMNS,
        )
        return (
            Table("listwise", "A judged list per record; nothing is aggregated.", fields, NESTED),
            Table("pairs", "The pairs with a winner that follow from the lists.", preference_fields(form), NESTED),
        )

    def refuse(self, reading: Reading) -> None:
        refuse_without_comparison(self.name, reading)

    def item_records(self, through: Pass, item: JudgedItem) -> Rows:
        for vote in item.votes:
            said = counted_statement(through, item, vote)
            if said is None:
                continue
            if why := _why_left_out(through, item, said):
                through.count(f"lists left out: {why}")
                continue
            yield "listwise", _record(through, item, vote, said)
            for record in preference_records(through, item, vote, said):
                yield "pairs", record

    def check(self, reading: Reading, written: Written) -> Iterator[Problem]:
        yield from super().check(reading, written)
        yield from preference_problems(written, "pairs", reading.options["form"])
        if not written.has("listwise"):
            return
        lists = set()
        for line, record in written.rows("listwise"):
            lists.add(record["comparison_id"])
            if len({len(record[key]) for key in LISTS}) != 1:
                yield Problem(written.file("listwise"), line, f"responses: {', '.join(LISTS)} differ in length")
            elif len(set(record["candidate_ids"])) != len(record["candidate_ids"]):
                yield Problem(written.file("listwise"), line, "candidate_ids: one stands there twice")
        for line, record in written.rows("pairs") if written.has("pairs") else ():
            if record["comparison_id"] not in lists:
                text = f"comparison_id: listwise has no {record['comparison_id']}"
                yield Problem(written.file("pairs"), line, text)


def _why_left_out(through: Pass, item: JudgedItem, said: Statement) -> str:
    if all(rank is None for rank in said.ranks.values()):
        return "cannot_judge"
    prompt = shared_prompt(item, item.candidates)
    if prompt is None:
        return "the candidates have prompts of their own"
    if through.option("form") == MESSAGES:
        talks = ([*prompt, *response_messages(one)] for one in item.candidates)
        return "" if all(map(alternates, talks)) else "the roles of the talk do not alternate"
    return ""


def _record(through: Pass, item: JudgedItem, vote: Vote, said: Statement) -> Record:
    form, names, shown = through.option("form"), through.names, item.shown(vote)
    outcomes = {pair.outcome for pair in said.pairs}
    rules = dict.fromkeys(pair.rule for pair in said.pairs)
    return {
        "prompt": prompt_in(form, shared_prompt(item, item.candidates) or ()),
        "responses": [response_in(form, one) for one in item.candidates],
        "ranks": [said.ranks[pk] for pk in item.ids],
        "scores": [said.scores.get(pk) for pk in item.ids],
        "models": [model_of(one) for one in item.candidates],
        "candidate_ids": _ids(names, item),
        "positions": [shown.index(pk) for pk in item.ids],
        "licences": [licence_of(item, one) for one in item.candidates],
        "media": [media_names(item, [one.content]) for one in item.candidates],
        "all_bad": outcomes == {"both_bad"},
        "prompt_media": prompt_media(item, item.candidates[0]),
        **vote_columns(names, item, vote, question=said.question, rule=", ".join(rules) or said.question),
    }


def _ids(names: Names, item: JudgedItem) -> list[str]:
    return [names.of("candidate", pk) for pk in item.ids]
