"""The layout `preference`: a prompt, the answer that was preferred, and the one that it was preferred to. Read by
trainers of reward models and of direct preference optimisation (DPO, CPO, ORPO)."""

from collections.abc import Iterator

from annotation.exports.judged.rows import JudgedItem
from annotation.exports.layouts.base import Problem, Table, Written
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


class Preference(OverItems):
    """One record per judgement and pair that has a winner. Ties, both-bad and cannot-judge are counted."""

    name = "preference"
    title = "Pairs: prompt, chosen, rejected"
    options = (*WHICH, QUESTION, THRESHOLD, FORM)
    unique = {"preference": ("comparison_id", "question", "chosen_id", "rejected_id")}

    def tables(self, reading: Reading) -> tuple[Table, ...]:
        text = "A pair with a winner per record; nothing is aggregated."
        return (Table("preference", text, preference_fields(reading.options["form"]), NESTED),)

    def refuse(self, reading: Reading) -> None:
        refuse_without_comparison(self.name, reading)

    def item_records(self, through: Pass, item: JudgedItem) -> Rows:
        for vote in item.votes:
            said = counted_statement(through, item, vote)
            if said is not None:
                for record in preference_records(through, item, vote, said):
                    yield "preference", record

    def check(self, reading: Reading, written: Written) -> Iterator[Problem]:
        yield from super().check(reading, written)
        yield from preference_problems(written, "preference", reading.options["form"])
