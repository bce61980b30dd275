"""Parquet with nested types, in row groups of a fixed size, so that memory stays flat and bytes stay the same.

pyarrow is loaded only where a file is written or read: web processes know this module and never need it."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from annotation.exports.layouts.fields import Field, Record, without_absent

ROWS_PER_GROUP = 2_000
_TYPES = {"string": "string", "integer": "int64", "number": "float64", "boolean": "bool_"}


@dataclass
class _Groups:
    writer: Any
    schema: Any
    waiting: list[Record] = field(default_factory=list)

    def write(self, record: Record) -> None:
        self.waiting.append(record)
        if len(self.waiting) >= ROWS_PER_GROUP:
            self.flush()

    def flush(self) -> None:
        import pyarrow as pa  # noqa: PLC0415 - see above

        if self.waiting:
            self.writer.write_table(pa.Table.from_pylist(self.waiting, schema=self.schema))
            self.waiting.clear()


class Parquet:
    """One Parquet file a table, zstd-compressed."""

    name = "parquet"
    suffix = ".parquet"
    nested = True

    @contextmanager
    def open(self, path: Path, fields: tuple[Field, ...]) -> Iterator[_Groups]:
        import pyarrow.parquet as pq  # noqa: PLC0415 - see above

        schema = arrow_schema(fields)
        with pq.ParquetWriter(path, schema, compression="zstd") as writer:
            groups = _Groups(writer, schema)
            yield groups
            groups.flush()

    def read(self, path: Path, fields: tuple[Field, ...]) -> Iterator[tuple[int, Record]]:
        import pyarrow.parquet as pq  # noqa: PLC0415 - see above

        number = 0
        with pq.ParquetFile(path) as file:
            for batch in file.iter_batches(batch_size=ROWS_PER_GROUP):
                for record in batch.to_pylist():
                    number += 1
                    yield number, without_absent(fields, record)


def arrow_schema(fields: tuple[Field, ...]) -> Any:
    import pyarrow as pa  # noqa: PLC0415 - see above

    return pa.schema([_arrow_field(field) for field in fields])


def _arrow_field(field: Field) -> Any:
    import pyarrow as pa  # noqa: PLC0415 - see above

    return pa.field(field.name, _arrow_type(field), nullable=field.nullable or field.optional)


def _arrow_type(field: Field) -> Any:
    import pyarrow as pa  # noqa: PLC0415 - see above

    if field.kind == "struct":
        return pa.struct([_arrow_field(part) for part in field.fields])
    if field.kind == "list" and field.item is not None:
        return pa.list_(_arrow_type(field.item))
    return getattr(pa, _TYPES[field.kind])()
