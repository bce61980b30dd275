"""Files with items, for tests."""

import io
import json
import struct
import zipfile
import zlib
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from django.utils import timezone

from annotation.items.models import ItemSet, SetJob
from annotation.items.services.import_runs import run_import
from annotation.items.services.imports import item_set_named, request_check, request_import, take_path
from annotation.studies.models import Study
from tests.factories.studies import study


def pair(number: int, **changes: Any) -> dict[str, Any]:
    """A row of the most usual shape."""
    row = {
        "id": f"p{number}",
        "prompt": f"Question {number}?",
        "response_a": f"Yes {number}.",
        "response_b": "No, never.",
    }
    return row | changes


def jsonl(path: Path, rows: Iterable[Any]) -> Path:
    lines = [row if isinstance(row, str) else json.dumps(row, ensure_ascii=False) for row in rows]
    path.write_text("".join(f"{line}\n" for line in lines), encoding="utf-8")
    return path


def png(width: int = 2, height: int = 3, shade: int = 0) -> bytes:
    """The smallest honest image."""

    def chunk(kind: bytes, content: bytes) -> bytes:
        return struct.pack(">I", len(content)) + kind + content + struct.pack(">I", zlib.crc32(kind + content))

    lines = b"".join(b"\0" + bytes([shade]) * width for _ in range(height))
    head = struct.pack(">IIBBBBB", width, height, 8, 0, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", head) + chunk(b"IDAT", zlib.compress(lines)) + chunk(b"IEND", b"")


def zipped(path: Path, files: Mapping[str, bytes]) -> Path:
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in files.items():
            archive.writestr(name, content)
    return path


def zip_bytes(files: Mapping[str, bytes]) -> bytes:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w") as archive:
        for name, content in files.items():
            archive.writestr(name, content)
    return out.getvalue()


def empty_set(name: str = "pairs", of: Study | None = None) -> ItemSet:
    return item_set_named(study=of or Study.objects.filter(slug="small").first() or study(), name=name)


def checked(path: Path, item_set: ItemSet | None = None, mapping: dict[str, str] | None = None) -> SetJob:
    """A file after its dry run."""
    job = take_path(item_set=item_set or empty_set(), path=path, actor="test", now=timezone.now())
    request_check(
        job=job, mapping=job.options["mapping"] if mapping is None else mapping, now=timezone.now(), enqueue=False
    )
    return ran(job)


def imported(path: Path, item_set: ItemSet | None = None, mapping: dict[str, str] | None = None) -> SetJob:
    """A file after its import."""
    job = checked(path, item_set, mapping)
    request_import(job=job, actor="test", now=timezone.now(), enqueue=False)
    return ran(job)


def ran(job: SetJob) -> SetJob:
    run_import(job_id=job.pk, clock=timezone.now)
    job.refresh_from_db()
    return job
