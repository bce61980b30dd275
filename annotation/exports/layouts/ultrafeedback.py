"""The layout `ultrafeedback`: the published shape of UltraFeedback: an instruction with its completions, each with four
marked aspects, a critique and an overall score."""

from collections.abc import Iterator, Mapping
from typing import Any

from annotation.exports.judged.rows import JudgedItem, Vote
from annotation.exports.judged.texts import as_string, model_of, response_text, shared_prompt, system_message
from annotation.exports.layouts.base import Problem, Table, Written
from annotation.exports.layouts.fields import Field, Record
from annotation.exports.layouts.named import asks, refuse_without
from annotation.exports.layouts.options import Option
from annotation.exports.layouts.over_items import NESTED, WHICH, OverItems, Pass, Rows
from annotation.exports.reading import Reading

PLAIN = ("instruction_following", "honesty")
TYPED = ("truthfulness", "helpfulness")
ASPECTS = (*PLAIN, *TYPED)
RATINGS = ("1", "2", "3", "4", "5", "N/A")
NONE = "None"


class UltraFeedback(OverItems):
    """A record per item and judge: with several judges of an item there are several records of it."""

    name = "ultrafeedback"
    title = "The instructions and marked completions of UltraFeedback"
    options = (
        *WHICH,
        Option(
            "rationale", "How the questions for an aspect's rationale are named; {x} is the aspect.", "{x}_rationale"
        ),
        Option("types", "How the questions for the types of a fault are named, where they are asked.", "{x}_type"),
        Option("types_rationale", "How the questions for why it is of that type are named.", "{x}_type_rationale"),
        Option("critique", "The question for the critique.", "critique"),
        Option("overall", "The question for the overall score, 1 to 10.", "overall_score"),
    )

    def tables(self, reading: Reading) -> tuple[Table, ...]:
        text = Field("text", "string")
        rating = Field("Rating", "string", "1 to 5, or N/A.", allowed=RATINGS)
        plain = (rating, Field("Rationale", "string", "Why."))
        typed = (
            Field("Type", "list", "The types of fault, or None.", item=Field("type", "string")),
            Field("Rationale", "string", "Why it is of that type."),
            rating,
            Field("Rationale For Rating", "string", "Why this rating."),
        )
        annotations = tuple(Field(x, "struct", fields=plain if x in PLAIN else typed) for x in ASPECTS)
        completion = (
            Field("model", "string", "Who or what made it.", nullable=True),
            Field("principle", "string", "The principle that it was made under.", nullable=True),
            Field("custom_system_prompt", "string", "The system message that it was made under."),
            Field("response", "string", "The completion."),
            Field("annotations", "struct", "The four aspects.", fields=annotations),
            Field("critique", "string", "What is good and bad about it."),
            Field("overall_score", "number", "1 to 10.", least=1, most=10),
            Field("fine-grained_score", "number", "The mean of the ratings; N/A is in no mean.", nullable=True),
        )
        fields = (
            Field("source", "string", "The item's tag source."),
            Field("instruction", "string", "What was asked."),
            Field("models", "list", "Who or what made the completions.", item=Field("model", "string", nullable=True)),
            Field("correct_answers", "list", "The item's tag correct_answers.", item=text),
            Field("incorrect_answers", "list", "The item's tag incorrect_answers.", item=text),
            Field("completions", "list", item=Field("completion", "struct", fields=completion)),
        )
        return (Table("ultrafeedback", "An instruction with its completions per record.", fields, NESTED),)

    def refuse(self, reading: Reading) -> None:
        names = [*ASPECTS, *(_named(reading.options, "rationale", x) for x in ASPECTS)]
        refuse_without(self.name, reading, [*names, reading.options["critique"], reading.options["overall"]])

    def item_records(self, through: Pass, item: JudgedItem) -> Rows:
        prompt = shared_prompt(item, item.candidates)
        if prompt is None:
            through.count("items left out: the completions have prompts of their own")
            return
        asked = [message for message in prompt if message["role"] != "system"]
        for vote in item.votes:
            completions = [_completion(through, item, vote, pk) for pk in item.ids]
            if None in completions or not asks(vote, "honesty"):
                through.count("judgements left out: marks are missing")
                continue
            through.count("judgements")
            yield (
                "ultrafeedback",
                {
                    "source": str(item.item.tags.get("source") or item.item_set),
                    "instruction": as_string(asked),
                    "models": [model_of(one) for one in item.candidates],
                    "correct_answers": _listed(item.item.tags.get("correct_answers")),
                    "incorrect_answers": _listed(item.item.tags.get("incorrect_answers")),
                    "completions": completions,
                },
            )

    def check(self, reading: Reading, written: Written) -> Iterator[Problem]:
        yield from super().check(reading, written)
        for line, record in written.rows("ultrafeedback") if written.has("ultrafeedback") else ():
            if [one["model"] for one in record["completions"]] != record["models"]:
                yield Problem(written.file("ultrafeedback"), line, "models: are not those of the completions")


def _named(options: Mapping[str, Any], part: str, x: str) -> str:
    return str(options[part]).replace("{x}", x)


def _completion(through: Pass, item: JudgedItem, vote: Vote, pk: str) -> Record | None:
    """None where an aspect or the overall score is missing."""
    made, options = item.by_id[pk], through.reading.options
    marks = {x: _mark(item, vote, x, pk) for x in ASPECTS}
    overall = vote.value(options["overall"], pk)
    if overall is None or None in marks.values():
        return None
    numbers = [int(mark) for mark in marks.values() if mark and mark != "N/A"]
    return {
        "model": model_of(made),
        "principle": made.provenance.get("principle") or made.request.get("principle") or None,
        "custom_system_prompt": system_message(item, made),
        "response": response_text(made),
        "annotations": {x: _aspect(vote, options, x, pk, str(marks[x])) for x in ASPECTS},
        "critique": str(vote.value(options["critique"], pk) or ""),
        "overall_score": overall,
        "fine-grained_score": round(sum(numbers) / len(numbers), 2) if numbers else None,
    }


def _mark(item: JudgedItem, vote: Vote, aspect: str, pk: str) -> str | None:
    """A rating as text: of a question about one candidate, or of a grid's cell."""
    stored = vote.answer(aspect, pk)
    if stored["missing"] == "not_applicable":
        return "N/A"
    if stored["value"] is not None:
        return str(stored["value"])
    for targets in vote.judgement.answers.values():
        whole = targets.get("", {})
        cells = whole.get("value") if isinstance(whole, Mapping) else None
        if isinstance(cells, Mapping) and isinstance(cells.get(aspect), Mapping):
            missing = whole["details"].get("missing", {}).get(aspect, {}).get(pk)
            value = cells[aspect].get(pk)
            return "N/A" if missing == "not_applicable" else None if value is None else str(value)
    return None


def _aspect(vote: Vote, options: Mapping[str, Any], x: str, pk: str, mark: str) -> Record:
    rationale = str(vote.value(_named(options, "rationale", x), pk) or "")
    if x in PLAIN:
        return {"Rating": mark, "Rationale": rationale}
    types = _listed(vote.value(_named(options, "types", x), pk)) or [NONE]
    why = str(vote.value(_named(options, "types_rationale", x), pk) or NONE)
    return {"Type": types, "Rationale": why, "Rating": mark, "Rationale For Rating": rationale}


def _listed(value: Any) -> list[str]:
    if value is None:
        return []
    return [str(part) for part in value] if isinstance(value, list) else [str(value)]
