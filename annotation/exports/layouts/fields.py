"""How a layout declares its records: keys in their order, types, ranges. From one declaration come the checks of what
was written, the JSON Schema, the Parquet schema and the codebook."""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Literal

Record = dict[str, Any]
Kind = Literal["string", "integer", "number", "boolean", "struct", "list"]
_PYTHON: dict[str, tuple[type, ...]] = {
    "string": (str,),
    "integer": (int,),
    "number": (int, float),
    "boolean": (bool,),
    "struct": (dict,),
    "list": (list,),
}


@dataclass(frozen=True, slots=True)
class Field:
    """One key. `nullable`: null is allowed. `optional`: the key itself may be absent (inside lists of two shapes)."""

    name: str
    kind: Kind
    text: str = ""
    nullable: bool = False
    optional: bool = False
    allowed: tuple[Any, ...] = ()
    least: float | None = None
    most: float | None = None
    pattern: str = ""
    fields: tuple["Field", ...] = ()
    item: "Field | None" = None


def problems(fields: tuple[Field, ...], record: Mapping[str, Any], path: str = "") -> Iterator[str]:
    """What is wrong with a record: keys, their order, types, ranges. Each text starts with the key."""
    prefix = f"{path}." if path else ""
    expected = [field.name for field in fields if not field.optional or field.name in record]
    if list(record) != expected:
        yield _key_problem(list(record), expected, prefix)
        return
    for field in fields:
        if field.name in record:
            yield from _value_problems(field, record[field.name], f"{prefix}{field.name}")


def _key_problem(given: list[str], expected: list[str], prefix: str) -> str:
    missing = [name for name in expected if name not in given]
    if missing:
        return f"{prefix}{missing[0]}: is missing"
    surplus = [name for name in given if name not in expected]
    if surplus:
        return f"{prefix}{surplus[0]}: is no key of this table"
    first = next(pair for pair in zip(given, expected, strict=True) if pair[0] != pair[1])
    return f"{prefix}{first[0]}: stands where {first[1]} must be"


def _value_problems(field: Field, value: Any, path: str) -> Iterator[str]:
    if value is None:
        if not field.nullable:
            yield f"{path}: null is not allowed"
    elif not isinstance(value, _PYTHON[field.kind]) or (isinstance(value, bool) and field.kind != "boolean"):
        yield f"{path}: {type(value).__name__} instead of {field.kind}"
    else:
        yield from _inner_problems(field, value, path)


def _inner_problems(field: Field, value: Any, path: str) -> Iterator[str]:
    if field.kind == "struct":
        yield from problems(field.fields, value, path)
    elif field.kind == "list" and field.item is not None:
        for index, part in enumerate(value):
            yield from _value_problems(field.item, part, f"{path}.{index}")
    else:
        yield from _limit_problems(field, value, path)


def _limit_problems(field: Field, value: Any, path: str) -> Iterator[str]:
    if field.allowed and value not in field.allowed:
        yield f"{path}: {value!r} is not among {', '.join(str(part) for part in field.allowed)}"
    if field.least is not None and value < field.least:
        yield f"{path}: {value} is below {field.least:g}"
    if field.most is not None and value > field.most:
        yield f"{path}: {value} is above {field.most:g}"
    if field.pattern and not re.fullmatch(field.pattern, value):
        yield f"{path}: {value!r} does not look like {field.pattern}"


def json_schema(fields: tuple[Field, ...], title: str = "") -> dict[str, Any]:
    """JSON Schema (2020-12) of one record."""
    schema: dict[str, Any] = {
        "type": "object",
        "properties": {field.name: _json_type(field) for field in fields},
        "required": [field.name for field in fields if not field.optional],
        "additionalProperties": False,
    }
    if not title:
        return schema
    return {"$schema": "https://json-schema.org/draft/2020-12/schema", "title": title} | schema


def _json_type(field: Field) -> dict[str, Any]:
    schema: dict[str, Any]
    if field.kind == "struct":
        schema = json_schema(field.fields)
    elif field.kind == "list" and field.item is not None:
        schema = {"type": "array", "items": _json_type(field.item)}
    else:
        schema = {"type": field.kind}
    limits = {"minimum": field.least, "maximum": field.most, "pattern": field.pattern or None}
    schema |= {key: value for key, value in limits.items() if value is not None}
    if field.allowed:
        schema["enum"] = [*field.allowed, *([None] if field.nullable else [])]
    if field.nullable:
        schema["type"] = [schema["type"], "null"]
    if field.text:
        schema["description"] = field.text
    return schema


def without_absent(fields: tuple[Field, ...], record: Mapping[str, Any]) -> Record:
    """The record without optional keys that are absent or null: a columnar file cannot tell the two apart, so this is
    what it gives back, and what two formats are compared by."""
    return {
        field.name: _given(field, record[field.name])
        for field in fields
        if not (field.optional and record.get(field.name) is None)
    }


def _given(field: Field, value: Any) -> Any:
    if value is None:
        return None
    if field.kind == "struct":
        return without_absent(field.fields, value)
    if field.kind == "list" and field.item is not None:
        return [_given(field.item, part) for part in value]
    return value


def flat(fields: tuple[Field, ...], prefix: str = "") -> Iterator[tuple[str, Field]]:
    """Every leaf with its dotted path, in order; a list counts as one leaf and then its items' keys."""
    for field in fields:
        path = f"{prefix}{field.name}"
        if field.kind == "struct":
            yield from flat(field.fields, f"{path}.")
        elif field.kind == "list" and field.item is not None and field.item.kind == "struct":
            yield from flat(field.item.fields, f"{path}[].")
        else:
            yield path, field
