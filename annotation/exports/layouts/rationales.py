"""The layout `rationales`: why, in words and in ticks, beside what was judged and how. Read by training with rationales
and by models that criticise."""

from collections.abc import Iterator, Mapping
from typing import Any

from annotation.common.errors import DomainError
from annotation.exports.deriving.statements import main_question, statement
from annotation.exports.judged.rows import JudgedItem, Vote
from annotation.exports.judged.texts import shared_prompt
from annotation.exports.layouts.base import Problem, Table, Written
from annotation.exports.layouts.columns import (
    MESSAGE,
    MESSAGES,
    VOTE_COLUMNS,
    prompt_in,
    response_in,
    text_field,
    vote_columns,
)
from annotation.exports.layouts.fields import Field
from annotation.exports.layouts.over_items import (
    FORM,
    NESTED,
    THRESHOLD,
    WHICH,
    OverItems,
    Pass,
    Rows,
    asked_protocols,
)
from annotation.exports.reading import Reading

TEXTS = frozenset({"rationale", "long_text", "short_text"})
REASONS = "reasons"


class Rationales(OverItems):
    """One record per answer in words or ticks. `about_id` is empty where it is about the whole item."""

    name = "rationales"
    title = "Reasons in words, with what they are about"
    options = (*WHICH, THRESHOLD, FORM)
    unique = {"rationales": ("comparison_id", "question", "about_id")}

    def tables(self, reading: Reading) -> tuple[Table, ...]:
        form = reading.options["form"]
        response = Field("response", "list", item=MESSAGE) if form == MESSAGES else Field("response", "string")
        rank = Field("rank", "integer", nullable=True, least=1)
        fields = (
            text_field("prompt", "What was asked. Empty where the candidates have prompts of their own.", form),
            Field("responses", "list", "All candidates, in an order of no meaning.", item=response),
            Field("candidate_ids", "list", "The candidates.", item=Field("id", "string")),
            Field("judged_by", "string", "The question that the ranks follow from.", nullable=True),
            Field("ranks", "list", "What was judged beside the reason: the rank of each; null: not ranked.", item=rank),
            Field("about_id", "string", "The candidate that it is about; null: the whole.", nullable=True),
            Field("rationale", "string", "The reason in words.", nullable=True),
            Field("reasons", "list", "The reasons that were ticked.", item=Field("reason", "string")),
            Field("own_reason", "string", "The annotator's own reason.", nullable=True),
            Field("draft", "string", "What became of a proposed text: accepted, edited, refused.", nullable=True),
            Field("distance", "integer", "Characters between the proposal and the text.", nullable=True, least=0),
            *VOTE_COLUMNS,
        )
        return (Table("rationales", "A reason of one annotator per record.", fields, NESTED),)

    def refuse(self, reading: Reading) -> None:
        kinds = {
            document.questions[name].kind
            for document, _, protocol in asked_protocols(reading)
            for name in (*protocol.per_candidate, *protocol.about_item)
        }
        if not kinds & (TEXTS | {REASONS}):
            raise DomainError(
                f"{reading.study.slug}: no protocol asks for a reason, so rationales has no rows.", field="layout"
            )

    def item_records(self, through: Pass, item: JudgedItem) -> Rows:
        for vote in item.votes:
            common = _judged(through, item, vote)
            for name, target, why in _reasons(through, item, vote):
                about = through.names.of("candidate", target) if target else None
                columns = vote_columns(through.names, item, vote, question=name, rule="as given")
                yield "rationales", common | {"about_id": about} | why | columns

    def check(self, reading: Reading, written: Written) -> Iterator[Problem]:
        yield from super().check(reading, written)
        for line, record in written.rows("rationales") if written.has("rationales") else ():
            if record["about_id"] is not None and record["about_id"] not in record["candidate_ids"]:
                yield Problem(written.file("rationales"), line, "about_id: is none of candidate_ids")
            if not (record["rationale"] or record["reasons"] or record["own_reason"]):
                yield Problem(written.file("rationales"), line, "rationale: there is no reason at all")


def _judged(through: Pass, item: JudgedItem, vote: Vote) -> dict[str, Any]:
    form = through.option("form")
    question = main_question(vote.document, vote.protocol) if vote.protocol else ""
    said = statement(item, vote, question, threshold=through.option("threshold")) if question else None
    return {
        "prompt": prompt_in(form, shared_prompt(item, item.candidates) or ()),
        "responses": [response_in(form, one) for one in item.candidates],
        "candidate_ids": [through.names.of("candidate", pk) for pk in item.ids],
        "judged_by": question or None,
        "ranks": [said.ranks[pk] if said else None for pk in item.ids],
    }


def _reasons(through: Pass, item: JudgedItem, vote: Vote) -> Iterator[tuple[str, str, dict[str, Any]]]:
    """(question, candidate or "", what was said) for everything that was said."""
    protocol = vote.protocol
    if protocol is None:
        return
    asked = [(name, pk) for name in protocol.per_candidate for pk in item.ids]
    for name, target in [*asked, *((name, "") for name in protocol.about_item)]:
        kind = vote.document.questions[name].kind
        stored = vote.answer(name, target)
        if kind not in TEXTS | {REASONS}:
            continue
        if not stored["value"]:
            through.count(f"reasons left out: {stored['missing'] or 'nothing said'}")
        elif kind in TEXTS:
            details = stored["details"]
            yield name, target, _said(stored["value"], (), None, details)
        elif isinstance(stored["value"], Mapping):
            own = stored["details"].get("other_texts", {})
            for pk in item.ids:
                if ticked := stored["value"].get(pk):
                    yield name, pk, _said(None, ticked, own.get(pk), {})
        else:
            yield name, target, _said(None, stored["value"], stored["details"].get("other_text"), {})


def _said(text: str | None, ticked: Any, own: str | None, details: Mapping[str, Any]) -> dict[str, Any]:
    return {
        "rationale": text,
        "reasons": list(ticked),
        "own_reason": own,
        "draft": details.get("draft"),
        "distance": details.get("distance"),
    }
