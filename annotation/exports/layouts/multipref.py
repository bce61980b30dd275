"""The layout `multipref`: the published shape of MultiPref: a pair per record, with the annotations of normal and of
expert workers side by side."""

import hashlib
from collections.abc import Iterator
from typing import Any

from annotation.common.errors import DomainError
from annotation.exports.judged.names import Names
from annotation.exports.judged.rows import JudgedItem, Vote
from annotation.exports.judged.texts import as_string, model_of, response_text, shared_prompt
from annotation.exports.layouts.base import Problem, Table, Written
from annotation.exports.layouts.columns import external_id, written_time
from annotation.exports.layouts.fields import Field, Record
from annotation.exports.layouts.named import listed, refuse_without, word_of
from annotation.exports.layouts.options import Option
from annotation.exports.layouts.over_items import NESTED, WHICH, OverItems, Pass, Rows
from annotation.exports.reading import Reading
from annotation.studies.questions.graded_preference import GradedPreference

OVERALL = "overall"
PREFERENCES = (
    "A-is-clearly-better",
    "A-is-slightly-better",
    "Tie",
    "B-is-slightly-better",
    "B-is-clearly-better",
)
TAGS = ("category", "source", "highest_level_degree", "subject_study")
WORKERS = ("normal", "expert")


class MultiPref(OverItems):
    """A pair per record; A is the candidate that came first in the item, whatever the annotator saw first."""

    name = "multipref"
    title = "The pairs of MultiPref, with normal and expert annotations"
    options = (
        *WHICH,
        Option("aspects", "The aspects, in order, before the overall preference.", "helpful,truthful,harmless"),
        Option("pref", "How the graded preferences are named; {x} is an aspect or overall.", "{x}_pref"),
        Option("confidence", "How the questions about confidence are named.", "{x}_confidence"),
        Option("reasons", "How the check-lists of reasons are named.", "{x}_reasons"),
        Option("normal", "The pool of normal workers.", "crowd"),
        Option("expert", "The pool of expert workers.", "expert"),
    )
    unique = {"multipref": ("comparison_id",)}

    def tables(self, reading: Reading) -> tuple[Table, ...]:
        annotation = Field("annotation", "struct", fields=_annotation_fields(reading))
        fields = (
            Field("comparison_id", "string", "The pair."),
            Field("prompt_id", "string", "The prompt: equal texts have equal ids."),
            Field("text", "string", "The prompt."),
            *(Field(name, "string", f"The item's tag {name}.", nullable=True) for name in TAGS),
            Field("model_a", "string", "Who or what made A.", nullable=True),
            Field("completion_a", "string", "A."),
            Field("model_b", "string", "Who or what made B.", nullable=True),
            Field("completion_b", "string", "B."),
            Field("normal_worker_annotations", "list", "Of the pool of normal workers.", item=annotation),
            Field("expert_worker_annotations", "list", "Of the pool of expert workers.", item=annotation),
        )
        return (Table("multipref", "A pair with all its annotations per record.", fields, NESTED),)

    def refuse(self, reading: Reading) -> None:
        refuse_without(self.name, reading, _needed(reading))
        pools = {pool for document in reading.documents for pool in document.pools}
        for worker in WORKERS:
            if reading.options[worker] not in pools:
                text = f"{reading.study.slug} cannot be written as multipref: it has no pool {reading.options[worker]}."
                raise DomainError(text, field="pools")

    def item_records(self, through: Pass, item: JudgedItem) -> Rows:
        if len(item.candidates) != 2:
            through.count("items left out: they have not two candidates")
            return
        prompt = shared_prompt(item, item.candidates)
        if prompt is None:
            through.count("items left out: the two have prompts of their own")
            return
        text, (a, b) = as_string(prompt), item.candidates
        by_pool = {
            worker: [v for v in item.votes if v.participation.pool == through.option(worker)] for worker in WORKERS
        }
        through.count("annotations", sum(map(len, by_pool.values())))
        through.count("annotations left out: of neither pool", len(item.votes) - sum(map(len, by_pool.values())))
        yield (
            "multipref",
            {
                "comparison_id": external_id(through.names, item.item) or through.names.of("item", item.item.pk),
                "prompt_id": str(item.item.tags.get("prompt_id") or hashlib.sha256(text.encode()).hexdigest()[:16]),
                "text": text,
                **{name: _tag(item, name) for name in TAGS},
                "model_a": model_of(a),
                "completion_a": response_text(a),
                "model_b": model_of(b),
                "completion_b": response_text(b),
                **{
                    f"{worker}_worker_annotations": [_annotation(through, item, vote) for vote in votes]
                    for worker, votes in by_pool.items()
                },
            },
        )

    def check(self, reading: Reading, written: Written) -> Iterator[Problem]:
        yield from super().check(reading, written)
        for line, record in written.rows("multipref") if written.has("multipref") else ():
            people = [one["evaluator"] for worker in WORKERS for one in record[f"{worker}_worker_annotations"]]
            if reading.options["repeats"] == "leave_out" and len(set(people)) != len(people):
                yield Problem(written.file("multipref"), line, "evaluator: somebody judged this pair twice")


def _named(reading: Reading, part: str, x: str) -> str:
    return str(reading.options[part]).replace("{x}", x)


def _needed(reading: Reading) -> list[str]:
    aspects = listed(reading.options["aspects"])
    return [
        *(_named(reading, part, x) for x in (OVERALL, *aspects) for part in ("pref", "confidence")),
        *(_named(reading, "reasons", x) for x in aspects),
    ]


def _annotation_fields(reading: Reading) -> tuple[Field, ...]:
    def graded(x: str) -> tuple[Field, ...]:
        preference = Field(
            f"{x}_pref", "string", "Which is better, and how clearly.", nullable=True, allowed=PREFERENCES
        )
        return preference, Field(f"{x}_confidence", "string", "How sure they are.", nullable=True)

    def reasons(x: str) -> tuple[Field, ...]:
        ticked = Field(f"{x}_checked_reasons", "list", "Reasons that were ticked.", item=Field("reason", "string"))
        return ticked, Field(f"{x}_own_reason", "string", "A reason in their own words.", nullable=True)

    return (
        Field("evaluator", "string", "The annotator."),
        *graded(OVERALL),
        *(field for x in listed(reading.options["aspects"]) for field in (*graded(x), *reasons(x))),
        Field("time_spent", "number", "Seconds.", nullable=True),
        Field("timestamp", "string", "When it was submitted, UTC."),
    )


def _annotation(through: Pass, item: JudgedItem, vote: Vote) -> Record:
    reading, names = through.reading, through.names

    def graded(x: str) -> Record:
        preference = _preference(item, vote, _named(reading, "pref", x))
        if preference is None:
            through.count(f"annotations without {x}_pref")
        return {f"{x}_pref": preference, f"{x}_confidence": word_of(vote, _named(reading, "confidence", x))}

    record = {"evaluator": _evaluator(names, vote), **graded(OVERALL)}
    for x in listed(reading.options["aspects"]):
        stored = vote.answer(_named(reading, "reasons", x))
        record |= graded(x) | {
            f"{x}_checked_reasons": [key for key in stored["value"] or () if key != "other"],
            f"{x}_own_reason": stored["details"].get("other_text"),
        }
    times = {"time_spent": vote.seconds, "timestamp": written_time(vote.judgement.submitted_at)}
    return record | times


def _evaluator(names: Names, vote: Vote) -> str:
    return names.person(vote.participation)


def _preference(item: JudgedItem, vote: Vote, question: str) -> str | None:
    """One of the five, or null for what the five cannot say: both bad, cannot judge, no answer."""
    value: Any = vote.value(question)
    if isinstance(value, str):
        return {"tie": "Tie", item.ids[0]: PREFERENCES[0], item.ids[1]: PREFERENCES[-1]}.get(value)
    if value is None:
        return None
    if value["toward"] is None:
        return "Tie"
    asked = vote.document.questions[question]
    strongest = asked.strongest() if isinstance(asked, GradedPreference) else 2
    clearly = value["strength"] > strongest / 2
    first = value["toward"] == item.ids[0]
    return PREFERENCES[(0 if clearly else 1) if first else (4 if clearly else 3)]


def _tag(item: JudgedItem, name: str) -> str | None:
    value = item.item.tags.get(name)
    return ", ".join(map(str, value)) if isinstance(value, list) else None if value is None else str(value)
