"""Records of one pair each, as `preference` and the layouts beside it have them."""

from collections.abc import Iterator

from annotation.exports.deriving.pairs import Pair
from annotation.exports.deriving.statements import Statement, judged_scores, statement
from annotation.exports.judged.rows import JudgedItem, Vote
from annotation.exports.judged.texts import prompt_media, response_messages, shared_prompt
from annotation.exports.layouts.base import Problem, Written
from annotation.exports.layouts.columns import (
    MESSAGES,
    PATHS,
    VOTE_COLUMNS,
    alternates,
    prompt_in,
    response_in,
    side,
    side_columns,
    text_field,
    vote_columns,
)
from annotation.exports.layouts.fields import Field, Record
from annotation.exports.layouts.over_items import Pass, counting_question


def preference_fields(form: str) -> tuple[Field, ...]:
    return (
        text_field("prompt", "What was asked: the system message and all turns before the answer.", form),
        text_field("chosen", "The answer that was preferred.", form),
        text_field("rejected", "The answer that it was preferred to.", form),
        Field("score_chosen", "number", "The number that this annotator gave to the chosen one.", nullable=True),
        Field("score_rejected", "number", "The number that this annotator gave to the rejected one.", nullable=True),
        Field(
            "margin",
            "number",
            "How much better the chosen one is, on the scale of its question; 0 where that has no strength.",
            least=0,
        ),
        *side_columns("chosen"),
        *side_columns("rejected"),
        Field("prompt_media", "list", "Files of the prompt, by their path in the data folder.", item=PATHS),
        *VOTE_COLUMNS,
    )


def counted_statement(through: Pass, judged: JudgedItem, vote: Vote) -> Statement | None:
    """What the judgement says under the question that counts; what it does not say is counted."""
    name = counting_question(through, vote)
    if not name:
        through.count("judgements left out: their protocol does not ask the question")
        return None
    found = statement(judged, vote, name, threshold=through.option("threshold"))
    if found is None:
        through.count(f"judgements left out: {vote.answer(name)['missing'] or 'no answer'}")
    return found


def preference_records(
    through: Pass, judged: JudgedItem, vote: Vote, said: Statement, *, count: bool = True
) -> Iterator[Record]:
    """One record a pair with a winner. Ties and the like are no preference: they stay out and are counted."""
    for pair in said.pairs:
        why = _why_left_out(through.option("form"), judged, pair)
        if count:
            through.count(f"pairs left out: {why}" if why else "pairs with a winner")
        if not why:
            yield preference_record(through, judged, vote, said, pair)


def _why_left_out(form: str, judged: JudgedItem, pair: Pair) -> str:
    if pair.winner is None:
        return pair.outcome
    sides = [judged.by_id[pair.first], judged.by_id[pair.second]]
    prompt = shared_prompt(judged, sides)
    if prompt is None:
        return "the two have prompts of their own"
    if sides[0].content == sides[1].content:
        return "the two are equal"
    if form == MESSAGES and not all(alternates([*prompt, *response_messages(one)]) for one in sides):
        return "the roles of the talk do not alternate"
    return ""


def preference_record(through: Pass, judged: JudgedItem, vote: Vote, said: Statement, pair: Pair) -> Record:
    """The record of a pair that has a winner."""
    form, names = through.option("form"), through.names
    winner, loser = str(pair.winner), str(pair.loser)
    chosen, rejected = judged.by_id[winner], judged.by_id[loser]
    scores = said.scores or _scores_beside(judged, vote)
    return {
        "prompt": prompt_in(form, shared_prompt(judged, (chosen, rejected)) or ()),
        "chosen": response_in(form, chosen),
        "rejected": response_in(form, rejected),
        "score_chosen": scores.get(winner),
        "score_rejected": scores.get(loser),
        "margin": pair.strength or 0,
        **side("chosen", names, judged, vote, winner),
        **side("rejected", names, judged, vote, loser),
        "prompt_media": prompt_media(judged, chosen),
        **vote_columns(names, judged, vote, question=said.question, rule=pair.rule),
    }


def _scores_beside(judged: JudgedItem, vote: Vote) -> dict[str, float]:
    """The scores that the same form asked for, where it asked for exactly one kind of them."""
    found = judged_scores(vote, judged)
    return next(iter(found.values())) if len(found) == 1 else {}


def preference_problems(written: Written, table: str, form: str) -> Iterator[Problem]:
    """What a trainer would choke on, or learn nothing from."""
    if not written.has(table):
        return
    file = written.file(table)
    for line, record in written.rows(table):
        if record["chosen_id"] == record["rejected_id"]:
            yield Problem(file, line, "chosen_id: is rejected_id, too")
        if form == MESSAGES:
            for side_name in ("chosen", "rejected"):
                if not alternates([*record["prompt"], *record[side_name]]):
                    yield Problem(file, line, f"{side_name}: the roles do not alternate")
