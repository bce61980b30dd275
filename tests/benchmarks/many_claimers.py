"""64 processes on PostgreSQL, then 8 on SQLite, claim and judge at once: 667 items, three judgements each in two
strata; then the same with a third of the processes killed in the middle. Says what is wrong afterwards.

`make bench NAME=many_claimers`; with `ONLY=sqlite` or `ONLY=postgresql` one database alone."""

import multiprocessing
import os
import sys
import time
from datetime import timedelta
from pathlib import Path
from typing import Any

from tests.benchmarks._keeping import database, keep, percentile
from tests.claimers import Claimers, study_for, what_is_wrong

PEOPLE = {"postgresql": 64, "sqlite": 8}
ITEMS = int(os.environ.get("ITEMS", "667"))


def main() -> int:
    kinds = [os.environ["ONLY"]] if os.environ.get("ONLY") else list(PEOPLE)
    wrong = 0
    for kind in kinds:
        for killed in (False, True):
            # a process of its own each time, because Django is set up for one database
            process = multiprocessing.get_context("spawn").Process(target=one, args=(kind, killed))
            process.start()
            process.join()
            wrong += process.exitcode != 0
    return wrong


def one(kind: str, killed: bool) -> None:
    with database(kind) as environment:
        figures = claim(kind, Path(environment["DATA_DIR"]), environment, killed)
    print(f"{kind}, {'a third killed' if killed else 'all live'}: {figures}", flush=True)
    keep("many_claimers", {"database": kind, "killed": killed} | figures)
    sys.exit(1 if figures["wrong"] or figures["errors"] else 0)


def claim(kind: str, folder: Path, environment: dict[str, str], killed: bool) -> dict[str, Any]:
    people = study_for(PEOPLE[kind], ITEMS)
    began = time.monotonic()
    runs = [Claimers(folder / "first", people, environment)]
    runs[0].start()
    expired = 0
    if killed:
        expired = _kill_a_third(runs[0], people)
        runs.append(Claimers(folder / "again", [one for n, one in enumerate(people) if n % 3], environment))
        runs[1].start()
    runs[-1].wait(timeout=1800)
    acknowledged = [receipt for run in runs for receipt in run.acknowledged()]
    errors = [error.splitlines()[-1] for run in runs for error in run.errors()]
    leases = [taken for run in runs for taken in run.seconds()]
    return {
        "processes": len(people),
        "items": ITEMS,
        "receipts": len(acknowledged),
        "reopened": expired,
        "errors": errors,
        "wrong": what_is_wrong(acknowledged, ITEMS),
        "seconds": round(time.monotonic() - began, 1),
        "lease_p50_ms": round(1000 * percentile(leases, 0.5), 1),
        "lease_p95_ms": round(1000 * percentile(leases, 0.95), 1),
    }


def _kill_a_third(run: Claimers, people: list[str]) -> int:
    from django.utils import timezone

    from annotation.assignments.services import expire_overdue
    from annotation.judgements.models import Judgement

    while Judgement.objects.count() < ITEMS:
        time.sleep(0.2)
    run.kill(range(0, len(people), 3))
    run.wait(timeout=1800)
    return expire_overdue(now=timezone.now() + timedelta(hours=1))


if __name__ == "__main__":
    sys.exit(main())
