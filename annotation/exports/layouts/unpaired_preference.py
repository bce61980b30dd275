"""The layout `unpaired_preference`: an answer and whether it is wanted. Read by trainers that need
no pairs (KTO, BCO)."""

import math
from collections.abc import Iterator

from annotation.exports.deriving.statements import SCORING, Statement
from annotation.exports.judged.rows import JudgedItem, Vote
from annotation.exports.judged.texts import prompt_media, prompt_messages, response_messages
from annotation.exports.layouts.base import Problem, Table, Written
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
from annotation.exports.layouts.fields import Field
from annotation.exports.layouts.options import Option
from annotation.exports.layouts.over_items import (
    FORM,
    NESTED,
    THRESHOLD,
    WHICH,
    OverItems,
    Pass,
    Rows,
    asked_protocols,
    refuse_without_comparison,
)
from annotation.exports.layouts.pairs import counted_statement
from annotation.exports.reading import Reading
from annotation.studies.document import StudyDocument
from annotation.studies.document.protocols import Protocol

YES_NO = "yes_no"
QUESTION = Option(
    "question",
    "A question about one candidate: yes or no, or a score that is held against wanted_from. Or one that compares: "
    "then what wins every pair is wanted, and what loses every pair is not. Empty: the first yes or no, else as in "
    "preference.",
    "",
)


def _is_limit(value: str) -> bool:
    try:
        return not value or math.isfinite(float(value))
    except ValueError:
        return False


WANTED_FROM = Option(
    "wanted_from",
    "A score from this number on is wanted, one below it is not. Empty: not set.",
    "",
    fits=_is_limit,
    wanted="a number",
)


class UnpairedPreference(OverItems):
    """One record per judgement and candidate that is clearly wanted or clearly not."""

    name = "unpaired_preference"
    title = "Single answers: prompt, completion, label"
    options = (*WHICH, QUESTION, WANTED_FROM, THRESHOLD, FORM)
    unique = {"unpaired_preference": ("comparison_id", "question", "candidate_id")}

    def tables(self, reading: Reading) -> tuple[Table, ...]:
        form = reading.options["form"]
        fields = (
            text_field("prompt", "What was asked: the system message and all turns before the answer.", form),
            text_field("completion", "The answer.", form),
            Field("label", "boolean", "Whether it is wanted."),
            *side_columns("candidate"),
            Field("prompt_media", "list", "Files of the prompt, by their path in the data folder.", item=PATHS),
            *VOTE_COLUMNS,
        )
        return (Table("unpaired_preference", "A wanted or an unwanted answer per record.", fields, NESTED),)

    def refuse(self, reading: Reading) -> None:
        if not any(_about_one(reading, document, protocol) for document, _, protocol in asked_protocols(reading)):
            refuse_without_comparison(self.name, reading)

    def item_records(self, through: Pass, item: JudgedItem) -> Rows:
        for vote in item.votes:
            for pk, (question, rule, label) in _labels(through, item, vote).items():
                made = item.by_id[pk]
                prompt, form = prompt_messages(item, made), through.option("form")
                if form == MESSAGES and not alternates([*prompt, *response_messages(made)]):
                    through.count("answers left out: the roles of the talk do not alternate")
                    continue
                through.count(f"answers: {'wanted' if label else 'not wanted'}")
                yield (
                    "unpaired_preference",
                    {
                        "prompt": prompt_in(form, prompt),
                        "completion": response_in(form, made),
                        "label": label,
                        **side("candidate", through.names, item, vote, pk),
                        "prompt_media": prompt_media(item, made),
                        **vote_columns(through.names, item, vote, question=question, rule=rule),
                    },
                )

    def check(self, reading: Reading, written: Written) -> Iterator[Problem]:
        yield from super().check(reading, written)
        if reading.options["form"] != MESSAGES or not written.has(self.name):
            return
        for line, record in written.rows(self.name):
            if not alternates([*record["prompt"], *record["completion"]]):
                yield Problem(written.file(self.name), line, "completion: the roles do not alternate")


def _about_one(reading: Reading, document: StudyDocument, protocol: Protocol) -> str:
    """The question about one candidate that labels it by itself."""
    wanted, limit = reading.options["question"], reading.options["wanted_from"]
    for name in protocol.per_candidate:
        kind = document.questions[name].kind
        if wanted in {"", name} and (kind == YES_NO or (kind in SCORING and limit != "" and wanted == name)):
            return name
    return ""


def _labels(through: Pass, item: JudgedItem, vote: Vote) -> dict[str, tuple[str, str, bool]]:
    """Candidate → question, rule, label."""
    name = _about_one(through.reading, vote.document, vote.protocol) if vote.protocol else ""
    if not name:
        said = counted_statement(through, item, vote)
        return _from_pairs(through, said) if said else {}
    found: dict[str, tuple[str, str, bool]] = {}
    for pk in item.ids:
        value = vote.value(name, pk)
        if value is None:
            through.count(f"answers left out: {vote.answer(name, pk)['missing'] or 'no answer'}")
        elif isinstance(value, bool):
            found[pk] = (name, "yes or no", value)
        else:
            limit = float(through.option("wanted_from"))
            found[pk] = (name, f"score of at least {limit:g}", value >= limit)
    return found


def _from_pairs(through: Pass, said: Statement) -> dict[str, tuple[str, str, bool]]:
    """Wanted: what wins every pair that it is in. Not wanted: what loses every pair, or is among the bad ones."""
    outcomes: dict[str, list[str]] = {}
    rules: dict[str, str] = {}
    for pair in said.pairs:
        for pk in (pair.first, pair.second):
            how = "won" if pair.winner == pk else "lost" if pair.loser == pk else pair.outcome
            outcomes.setdefault(pk, []).append(how)
            rules[pk] = pair.rule
    found = {}
    for pk, words in outcomes.items():
        if set(words) == {"won"} or set(words) <= {"lost", "both_bad"}:
            found[pk] = (said.question, f"{rules[pk]}: wins or loses every pair", words[0] == "won")
        else:
            why = next((word for word in words if word in {"tie", "cannot_judge"}), "neither first nor last")
            through.count(f"answers left out: {why}")
    return found
