"""Items a second and peak memory of importing items with four candidates each, dry run and import, beside PostgreSQL's
own COPY of the same rows into tables of the same shape. Each size has a process and a database of its own.

`make bench NAME=import_items`; `SIZES=20000` for less, `DATABASES=sqlite` for one kind."""

import io
import json
import multiprocessing
import os
import random
import resource
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from tests.benchmarks._keeping import database, keep

SIZES = [int(size) for size in os.environ.get("SIZES", "20000,100000").split(",")]
KINDS = os.environ.get("DATABASES", "sqlite,postgresql").split(",")
CANDIDATES = 4
GOAL = 0.15
# of a file five times as large, at most so many times as much
FLAT = 1.3


def main() -> int:
    context = multiprocessing.get_context("spawn")
    missed = 0
    for kind in KINDS:
        grown: list[float] = []
        for size in SIZES:
            with context.Pool(1) as pool:
                figures = pool.apply(measured, (kind, size))
            keep("import_items", figures)
            print(json.dumps(figures), flush=True)
            grown.append(figures["peak_mb"])
            missed += figures.get("of_copy", 1) < GOAL
        missed += grown[-1] / grown[0] > FLAT
    return missed


def rows(size: int) -> Iterator[dict[str, Any]]:
    """Prompts of some 40 words, answers of some 120."""
    rng = random.Random(7)
    words = [f"{rng.choice('bcdfglmnprst')}{rng.choice('aeiou')}{number}" for number in range(4000)]
    for number in range(size):
        answers = [{"model": f"m{place}", "text": " ".join(rng.choices(words, k=120))} for place in range(CANDIDATES)]
        yield {"id": f"row-{number}", "prompt": " ".join(rng.choices(words, k=40)), "completions": answers}


def measured(kind: str, size: int) -> dict[str, Any]:
    with TemporaryDirectory() as folder, database(kind):
        path = Path(folder) / "rows.jsonl"
        with path.open("w") as out:
            out.writelines(f"{json.dumps(row)}\n" for row in rows(size))
        before = _peak_mb()
        seconds = _import(path)
        peak = _peak_mb()
        figures = {
            "database": kind,
            "items": size,
            "candidates": size * CANDIDATES,
            "file_mb": round(path.stat().st_size / 2**20),
            "dry_run_s": round(seconds[0], 1),
            "import_s": round(seconds[1], 1),
            # of this process alone, whatever else the machine does
            "import_cpu_s": round(seconds[2], 1),
            "items_per_s": round(size / seconds[1]),
            "peak_mb": peak,
            "peak_before_mb": before,
        }
        if kind == "postgresql":
            copied = _copy(size)
            figures |= {"copy_s": round(copied, 1), "of_copy": round(copied / seconds[1], 3)}
        return figures


def _peak_mb() -> int:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024


def _import(path: Path) -> tuple[float, float, float]:
    """Seconds of the dry run and of the import, which checks the file once more; and of its own computing."""
    from django.utils import timezone

    from annotation.items.models import Candidate, Item
    from annotation.items.services.import_runs import run_import
    from annotation.items.services.imports import (
        item_set_named,
        request_check,
        request_import,
        take_path,
    )

    job = take_path(item_set=item_set_named(study=None, name="bench"), path=path, actor="bench", now=timezone.now())
    began = time.monotonic()
    request_check(job=job, mapping=job.options["mapping"], now=timezone.now(), enqueue=False)
    run_import(job_id=job.pk, clock=timezone.now)
    checked, computed = time.monotonic(), time.process_time()
    job.refresh_from_db()
    assert (job.state, job.report["wrong"]) == ("checked", 0), job.report
    request_import(job=job, actor="bench", now=timezone.now(), enqueue=False)
    run_import(job_id=job.pk, clock=timezone.now)
    ended, computing = time.monotonic(), time.process_time() - computed
    job.refresh_from_db()
    assert (job.state, Item.objects.count() * CANDIDATES) == ("done", Candidate.objects.count()), job.report
    return checked - began, ended - checked, computing


def _copy(size: int) -> float:
    """Seconds that COPY takes for the rows that the import made, into tables with the same columns and indexes."""
    from django.db import connection

    taken = 0.0
    with connection.cursor() as cursor:
        for table in ("items_item", "items_candidate"):
            cursor.execute(f"CREATE TABLE copy_{table} (LIKE {table} INCLUDING ALL)")
            text = io.BytesIO()
            with cursor.copy(f"COPY {table} TO STDOUT") as out:
                for piece in out:
                    text.write(piece)
            began = time.monotonic()
            with cursor.copy(f"COPY copy_{table} FROM STDIN") as copy:
                copy.write(text.getvalue())
            taken += time.monotonic() - began
    assert size
    return taken


if __name__ == "__main__":
    sys.exit(main())
