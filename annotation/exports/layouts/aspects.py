"""The layout `aspects`: every number that an annotator gave to a candidate under a name, long; and for each aspect the
pairs that follow. Read by multi-objective training and by steerable models."""

from collections.abc import Iterator

from annotation.common.errors import DomainError
from annotation.exports.deriving.statements import SCORING, grid_aspects, judged_scores, statement
from annotation.exports.judged.rows import JudgedItem
from annotation.exports.judged.texts import prompt_media, prompt_messages
from annotation.exports.layouts.base import Problem, Table, Written
from annotation.exports.layouts.columns import (
    PATHS,
    VOTE_COLUMNS,
    prompt_in,
    response_in,
    side,
    side_columns,
    text_field,
    vote_columns,
)
from annotation.exports.layouts.fields import Field, Record
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
from annotation.exports.layouts.pairs import preference_fields, preference_problems, preference_records
from annotation.exports.reading import Reading
from annotation.studies.questions.scales import ends_of

# judgement, question, candidate
Place = tuple[str, str, str]


class Aspects(OverItems):
    """Two tables: a mark per candidate, aspect and annotator; and a pair set per aspect."""

    name = "aspects"
    title = "Marks per answer and aspect, and pairs per aspect"
    options = (*WHICH, THRESHOLD, FORM)
    unique = {
        "aspects": ("comparison_id", "question", "candidate_id"),
        "aspect_pairs": ("comparison_id", "question", "chosen_id", "rejected_id"),
    }

    def tables(self, reading: Reading) -> tuple[Table, ...]:
        form = reading.options["form"]
        fields = (
            text_field("prompt", "What was asked: the system message and all turns before the answer.", form),
            text_field("response", "The answer.", form),
            Field("aspect", "string", "What was judged: the question's name, or the aspect of a grid."),
            Field("value", "number", "The mark."),
            *side_columns("candidate"),
            Field("prompt_media", "list", "Files of the prompt, by their path in the data folder.", item=PATHS),
            *VOTE_COLUMNS,
        )
        pairs = (Field("aspect", "string", "What was judged."), *preference_fields(form))
        return (
            Table("aspects", "A mark of one annotator for one answer under one aspect per record.", fields, NESTED),
            Table("aspect_pairs", "The pairs with a winner under one aspect.", pairs, NESTED),
        )

    def refuse(self, reading: Reading) -> None:
        asked = asked_protocols(reading)
        if not any(
            any(document.questions[name].kind in SCORING for name in protocol.per_candidate)
            or grid_aspects(document, protocol)
            for document, _, protocol in asked
        ):
            text = f"{reading.study.slug}: nothing is marked per candidate, so aspects has no rows."
            raise DomainError(text, field="layout")

    def item_records(self, through: Pass, item: JudgedItem) -> Rows:
        for vote in item.votes:
            for name, marks in judged_scores(vote, item).items():
                aspect = name.split(".", 1)[-1]
                missing = len(item.ids) - len(marks)
                if missing:
                    through.count("marks left out: no number", missing)
                for pk, value in marks.items():
                    made, form = item.by_id[pk], through.option("form")
                    yield (
                        "aspects",
                        {
                            "prompt": prompt_in(form, prompt_messages(item, made)),
                            "response": response_in(form, made),
                            "aspect": aspect,
                            "value": value,
                            **side("candidate", through.names, item, vote, pk),
                            "prompt_media": prompt_media(item, made),
                            **vote_columns(through.names, item, vote, question=name, rule="as given"),
                        },
                    )
                said = statement(item, vote, name, threshold=through.option("threshold"))
                for record in preference_records(through, item, vote, said) if said else ():
                    yield "aspect_pairs", {"aspect": aspect} | record

    def check(self, reading: Reading, written: Written) -> Iterator[Problem]:
        yield from super().check(reading, written)
        yield from preference_problems(written, "aspect_pairs", reading.options["form"])
        documents = {version.number: reading.document(version) for version in reading.versions}
        marks: dict[Place, float] = {}
        for line, record in written.rows("aspects") if written.has("aspects") else ():
            marks[record["comparison_id"], record["question"], record["candidate_id"]] = record["value"]
            name = record["question"].split(".")[0]
            least, most = ends_of(documents[record["study_version"]].questions[name])
            if (least is not None and record["value"] < least) or (most is not None and record["value"] > most):
                yield Problem(written.file("aspects"), line, f"value: {record['value']} is not on the scale of {name}")
        for line, record in written.rows("aspect_pairs") if marks and written.has("aspect_pairs") else ():
            yield from _pair_problems(written.file("aspect_pairs"), line, record, marks)


def _pair_problems(file: str, line: int, record: Record, marks: dict[Place, float]) -> Iterator[Problem]:
    """A pair follows from two marks that stand in the other table."""
    for side_name in ("chosen", "rejected"):
        place = record["comparison_id"], record["question"], record[f"{side_name}_id"]
        if place not in marks or marks[place] != record[f"score_{side_name}"]:
            yield Problem(file, line, f"score_{side_name}: is not the mark in aspects")
            return
    if record["score_chosen"] <= record["score_rejected"]:
        yield Problem(file, line, "score_chosen: is not above score_rejected")
