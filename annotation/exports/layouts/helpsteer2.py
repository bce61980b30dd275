"""The layout `helpsteer2`: the published shape of HelpSteer2: an answer with five marks from 0 to 4, and beside it the
marks of every annotator."""

from collections import defaultdict
from collections.abc import Iterator
from itertools import zip_longest

from annotation.exports.deriving.statements import judged_scores
from annotation.exports.judged.rows import JudgedItem
from annotation.exports.judged.texts import as_string, prompt_messages, response_text
from annotation.exports.layouts.base import Problem, Table, Written
from annotation.exports.layouts.fields import Field
from annotation.exports.layouts.named import listed, refuse_without, rounded
from annotation.exports.layouts.options import Option
from annotation.exports.layouts.over_items import FLAT, NESTED, WHICH, OverItems, Pass, Rows
from annotation.exports.reading import Reading

COLUMNS = ("helpfulness", "correctness", "coherence", "complexity", "verbosity")
ATTRIBUTES = Option(
    "attributes",
    "The questions about one answer, or the aspects of a grid, that are the five columns, in their order.",
    ",".join(COLUMNS),
    fits=lambda value: len(set(listed(value))) == len(listed(value)) == len(COLUMNS),
    wanted="five names, with commas between them",
)


class HelpSteer2(OverItems):
    """Two tables: the mean of all annotators, rounded half up, and the marks that it was made of."""

    name = "helpsteer2"
    title = "The marks of HelpSteer2, and their disagreements"
    options = (*WHICH, ATTRIBUTES)

    def tables(self, reading: Reading) -> tuple[Table, ...]:
        texts = (Field("prompt", "string", "What was asked."), Field("response", "string", "The answer."))
        mark = Field("mark", "integer", least=0, most=4)
        means = tuple(Field(name, "integer", f"{name}, 0 to 4.", least=0, most=4) for name in COLUMNS)
        lists = tuple(Field(name, "list", f"{name}: one mark an annotator.", item=mark) for name in COLUMNS)
        return (
            Table(
                "helpsteer2", "An answer per record; marks are the annotators' mean, rounded.", (*texts, *means), FLAT
            ),
            Table("disagreements", "The same answers with every annotator's marks.", (*texts, *lists), NESTED),
        )

    def refuse(self, reading: Reading) -> None:
        refuse_without(self.name, reading, listed(reading.options["attributes"]))

    def item_records(self, through: Pass, item: JudgedItem) -> Rows:
        asked = dict(zip(COLUMNS, listed(through.option("attributes")), strict=True))
        marks: dict[str, dict[str, list[int]]] = defaultdict(lambda: defaultdict(list))
        for vote in item.votes:
            given = {name.split(".", 1)[-1]: scores for name, scores in judged_scores(vote, item).items()}
            for pk in item.ids:
                found = {column: given.get(name, {}).get(pk) for column, name in asked.items()}
                if None in found.values():
                    # marks of one person belong together: an answer without one of them is in no list
                    through.count("marks left out: not all five were given")
                    continue
                for column, value in found.items():
                    marks[pk][column].append(int(value or 0))
        for pk, made in item.by_id.items():
            if pk not in marks:
                continue
            texts = {"prompt": as_string(prompt_messages(item, made)), "response": response_text(made)}
            lists = {column: marks[pk][column] for column in COLUMNS}
            through.count("annotations", len(lists[COLUMNS[0]]))
            yield "helpsteer2", texts | {column: rounded(values) for column, values in lists.items()}
            yield "disagreements", texts | lists

    def check(self, reading: Reading, written: Written) -> Iterator[Problem]:
        """Both tables have the same answers in the same order, and the one follows from the other."""
        yield from super().check(reading, written)
        if not (written.has("helpsteer2") and written.has("disagreements")):
            return
        file = written.file("helpsteer2")
        for one, other in zip_longest(written.rows("helpsteer2"), written.rows("disagreements")):
            line = (one or other or (0,))[0]
            if one is None or other is None or any(one[1][key] != other[1][key] for key in ("prompt", "response")):
                yield Problem(file, line, "response: disagreements has another one here")
                return
            if len({len(other[1][column]) for column in COLUMNS}) != 1:
                yield Problem(written.file("disagreements"), line, "helpfulness: the five lists differ in length")
            for column in COLUMNS:
                if one[1][column] != rounded(other[1][column]):
                    yield Problem(file, line, f"{column}: is not the mean of disagreements")
