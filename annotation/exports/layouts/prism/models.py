"""One record per model of the pool: `models.jsonl`."""

from collections.abc import Iterable, Mapping
from typing import Any

from annotation.exports.layouts.fields import Field, Record
from annotation.exports.layouts.prism import names
from annotation.studies.document import StudyDocument
from annotation.studies.document.models import ModelRules, PoolEntry

PARAMETER_BLOCKS = ("default_params", "selected_params")


def model_records(documents: Iterable[StudyDocument]) -> list[Record]:
    """Every model of every version, newest version first, once each; the card of the newest counts."""
    records: dict[str, Record] = {}
    for document in documents:
        if document.models is not None:
            for entry in document.models.pool:
                record = model_record(document.models, entry)
                records.setdefault(record["long_name"], record)
    return list(records.values())


def model_record(rules: ModelRules, entry: PoolEntry) -> Record:
    """The published card; what it does not say comes from the document, and is null where that says nothing."""
    sampling = rules.sampling_of(entry).model_dump(exclude_none=True, exclude_defaults=True)
    own = {
        "long_name": entry.name,
        "short_name": entry.name,
        "header": rules.system_message_of(entry),
        "default_params": {},
        "selected_params": {key: str(value) for key, value in sampling.items()},
    }
    record: Record = {}
    for key in names.MODEL_FACTS:
        value = entry.card.get(key)
        record[key] = own.get(key) if value is None else value
    for block in PARAMETER_BLOCKS:
        record[block] = {key: record[block][key] for key in sorted(record[block], key=parameter_place)}
    return record


def parameter_place(name: str) -> tuple[int, str]:
    known = names.PARAMETERS.index(name) if name in names.PARAMETERS else len(names.PARAMETERS)
    return known, name


def parameter_fields(records: Iterable[Record], block: str) -> tuple[Field, ...]:
    """Parameters differ by provider, so each key may be absent. Flags are numbers, all else is text as published."""
    kinds: dict[str, Any] = {"temperature": "string"}  # a block without any key cannot be a column
    for record in records:
        for key, value in record[block].items():
            kind = "integer" if isinstance(value, int) else "string"
            kinds[key] = kind if kinds.get(key, kind) == kind else "string"
    return tuple(Field(key, kinds[key], optional=True) for key in sorted(kinds, key=parameter_place))


def card_problems(card: Mapping[str, Any]) -> list[str]:
    """Keys of a published card that the layout does not know."""
    return sorted(set(card) - set(names.MODEL_FACTS))
