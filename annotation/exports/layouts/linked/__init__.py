"""The layout `linked_tables`: everything that a release may hold, in tables that name each other's rows. All other
layouts follow from these."""

from collections.abc import Iterator

from annotation.exports.judged.linked import LinkedReading
from annotation.exports.judged.names import Names
from annotation.exports.layouts.base import Outcome, Problem, Table, Written
from annotation.exports.layouts.fields import Record
from annotation.exports.layouts.linked import rows
from annotation.exports.layouts.linked.schema import FOREIGN, KEYS, TABLES
from annotation.exports.layouts.options import Option
from annotation.exports.layouts.over_items import THRESHOLD, problems_of_keys
from annotation.exports.reading import Reading

Rows = Iterator[tuple[str, Record]]


class LinkedTables:
    """Thirteen tables. Nothing is left out but what may not go out: gold, repeats, corrections
    and people whom a researcher excluded are marked."""

    name = "linked_tables"
    version = "1"
    title = "All linked tables"
    options: tuple[Option, ...] = (THRESHOLD,)

    def tables(self, reading: Reading) -> tuple[Table, ...]:
        return TABLES

    def records(self, reading: Reading, outcome: Outcome) -> Rows:
        linked, names = LinkedReading(reading), Names(reading.study)
        for person in linked.people():
            outcome.people[person.participation.pk] = names.person(person.participation)
            if person.excluded:
                outcome.counts["people marked as excluded"] += 1
            yield from rows.person_rows(names, person)
        for bundle in linked.items():
            yield from rows.item_rows(names, bundle, threshold=reading.options["threshold"])
        for talk in linked.talks():
            yield from rows.talk_rows(names, talk)
        outcome.counts.update(linked.refused)

    def texts(self, reading: Reading) -> Iterator[str]:
        """Nothing that is said about a text stands in these tables."""
        return iter(())

    def check(self, reading: Reading, written: Written) -> Iterator[Problem]:
        for table, keys in KEYS.items():
            yield from problems_of_keys(written, table, keys)
        known = {
            table: {record[keys[0]] for _, record in written.rows(table)}
            for table, keys in KEYS.items()
            if len(keys) == 1 and table in {other for named in FOREIGN.values() for other in named.values()}
        }
        for table, columns in FOREIGN.items():
            for line, record in written.rows(table):
                for column, other in columns.items():
                    if record[column] is not None and record[column] not in known[other]:
                        yield Problem(written.file(table), line, f"{column}: {other} has no {record[column]}")
