"""Parquet with nested types, in row groups of a fixed size, so that memory stays flat and bytes stay the same."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from annotation.exports.layouts.fields import Field, Record, arrow_schema, without_absent

ROWS_PER_GROUP = 2_000


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
        if self.waiting:
            self.writer.write_table(pa.Table.from_pylist(self.waiting, schema=self.schema))
            self.waiting.clear()


class Parquet:
    name = "parquet"
    suffix = ".parquet"

    @contextmanager
    def open(self, path: Path, fields: tuple[Field, ...]) -> Iterator[_Groups]:
        schema = arrow_schema(fields)
        with pq.ParquetWriter(path, schema, compression="zstd") as writer:
            groups = _Groups(writer, schema)
            yield groups
            groups.flush()

    def read(self, path: Path, fields: tuple[Field, ...]) -> Iterator[tuple[int, Record]]:
        number = 0
        with pq.ParquetFile(path) as file:
            for batch in file.iter_batches(batch_size=ROWS_PER_GROUP):
                for record in batch.to_pylist():
                    number += 1
                    yield number, without_absent(fields, record)
