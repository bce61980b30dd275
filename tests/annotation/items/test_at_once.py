"""Two imports of one set at the same moment, in processes that share nothing but the database."""

import subprocess
import sys
from pathlib import Path

import pytest
from django.utils import timezone

from annotation.items.models import Candidate, Item, SetJob
from annotation.items.services.import_runs import run_import
from annotation.items.services.imports import request_check, request_import, take_path
from tests.factories.item_files import empty_set, jsonl, pair
from tests.live import ROOT, worker_environment

pytestmark = pytest.mark.django_db(transaction=True)
WORK = """
import sys, time, uuid
import django
django.setup()
from django.utils import timezone
from annotation.items.models import SetJob
from annotation.items.services.import_runs import run_import
print("ready", flush=True)
sys.stdin.readline()
job = uuid.UUID(sys.argv[1])
deadline = time.monotonic() + 60
while SetJob.objects.get(pk=job).state in ("queued", "running") and time.monotonic() < deadline:
    if not run_import(job_id=job, clock=timezone.now):
        time.sleep(0.02)
"""


def asked_for(path: Path) -> SetJob:
    job = take_path(item_set=empty_set(), path=path, actor="test", now=timezone.now())
    request_check(job=job, mapping=job.options["mapping"], now=timezone.now(), enqueue=False)
    run_import(job_id=job.pk, clock=timezone.now)
    job.refresh_from_db()
    request_import(job=job, actor="test", now=timezone.now(), enqueue=False)
    return job


def test_two_overlapping_imports_and_two_workers_for_one_of_them_bring_each_row_once(tmp_path: Path) -> None:
    first = asked_for(jsonl(tmp_path / "a.jsonl", [pair(number) for number in range(900)]))
    second = asked_for(jsonl(tmp_path / "b.jsonl", [pair(number) for number in range(600, 1500)]))
    workers = [
        subprocess.Popen(
            [sys.executable, "-c", WORK, str(job.pk)],
            cwd=ROOT, env=worker_environment(), stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
        )
        for job in (first, second, first)
    ]  # fmt: skip
    try:
        assert [worker.stdout.readline() for worker in workers if worker.stdout] == ["ready\n"] * 3
        ends = [worker.communicate("go\n", timeout=90) and worker.returncode for worker in workers]
    finally:
        for worker in workers:
            worker.kill()
            worker.wait()
    assert ends == [0, 0, 0]
    for job in (first, second):
        job.refresh_from_db()
    assert (first.state, second.state) == ("done", "done")
    # whoever came second found the other's 300 rows there already
    assert sorted((job.report["new"], job.report["same"]) for job in (first, second)) == [(600, 300), (900, 0)]
    items = Item.objects.order_by("ordinal")
    assert sorted(one.external_id for one in items) == sorted(f"p{number}" for number in range(1500))
    assert (len({one.ordinal for one in items}), Candidate.objects.count()) == (1500, 3000)
