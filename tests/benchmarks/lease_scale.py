"""p95 of leasing the next item with 10³, 10⁵ and 10⁶ open places, for each order in which places can stand. The three
sizes have a PostgreSQL each and are measured in turns, so that whatever else the machine does falls on all of them.

`make bench NAME=lease_scale`; `SIZES=1000,100000` for less, `LEASES=…` for more."""

import multiprocessing
import os
import sys
import time
from multiprocessing.connection import Connection
from typing import Any

from tests.benchmarks._keeping import database, keep, percentile

SIZES = [int(size) for size in os.environ.get("SIZES", "1000,100000,1000000").split(",")]
LEASES = int(os.environ.get("LEASES", "400"))
IN_A_TURN = 20
OVERLAP = 5
GOAL = 1.3
# what the policies write into `key`, in SQL, so that one set of places serves them all
KEYS = {"least_judged": "copy + random()", "random": "random()", "ordered": "ordinal", "uncertainty": "-random()"}


def main() -> int:
    context = multiprocessing.get_context("spawn")
    sites: dict[int, Connection] = {}
    for size in SIZES:
        sites[size], theirs = context.Pipe()
        context.Process(target=site, args=(size, theirs), daemon=True).start()
        # so that an end of that process is the end of the pipe
        theirs.close()
        print(f"{size} places: {sites[size].recv()}", flush=True)  # noqa: T201 - a benchmark
    missed = 0
    for policy in KEYS:
        taken: dict[int, list[float]] = {size: [] for size in SIZES}
        for pipe in sites.values():
            pipe.send(policy)
            pipe.recv()
        while len(taken[SIZES[0]]) < LEASES:
            for size, pipe in sites.items():
                pipe.send("lease")
                taken[size] += pipe.recv()
        missed += report(policy, taken)
    for pipe in sites.values():
        pipe.send("end")
        pipe.recv()
    return missed


def report(policy: str, taken: dict[int, list[float]]) -> int:
    p50 = {size: round(1000 * percentile(seconds, 0.5), 2) for size, seconds in taken.items()}
    p95 = {size: round(1000 * percentile(seconds, 0.95), 2) for size, seconds in taken.items()}
    ratio = {size: round(p95[size] / p95[SIZES[0]], 2) for size in SIZES}
    figures: dict[str, Any] = {"policy": policy, "leases": LEASES, "p50_ms": p50, "p95_ms": p95, "p95_ratio": ratio}
    print(f"{policy}: {figures}", flush=True)  # noqa: T201 - a benchmark
    keep("lease_scale", figures)
    return sum(one > GOAL for one in ratio.values())


# -- one size, in a process of its own ---------------------------------------------------------------------------------
def site(size: int, pipe: Connection) -> None:
    with database("postgresql"):
        from django.db import connection  # noqa: PLC0415 - only after the settings are read

        from tests.factories import comparisons  # noqa: PLC0415

        study = comparisons.comparing(0, step={"overlap": OVERLAP, "select": "least_judged", "lease": 60})
        _add_items(study.pk, size // OVERLAP)
        began = time.monotonic()
        made = comparisons.open_all(study)
        pipe.send(f"{made} made in {time.monotonic() - began:.1f} s")
        while (word := pipe.recv()) != "end":
            if word == "lease":
                pipe.send(_lease(study))
                continue
            with connection.cursor() as cursor:
                cursor.execute(
                    f"UPDATE assignments_assignment SET key = {KEYS[word]} FROM items_item "  # noqa: S608 - ours
                    "WHERE items_item.id = item_id AND assignments_assignment.state = 'open'"
                )
                # as autovacuum would
                cursor.execute("VACUUM ANALYZE")
            _lease(study)
            pipe.send("ready")
    pipe.send("ended")


def _add_items(study_id: int, count: int) -> None:
    from django.db import connection  # noqa: PLC0415 - only after the settings are read

    from annotation.items.models import ItemSet  # noqa: PLC0415

    item_set = ItemSet.objects.get(study=study_id, name="pairs")
    with connection.cursor() as cursor:
        cursor.execute(
            "INSERT INTO items_item (id, item_set_id, origin, external_id, row_sha256, ordinal, context, tags, gold,"
            " held, created_at) SELECT gen_random_uuid(), %s, 'imported', n, '', n, '{}', '{}', '{}', '', now()"
            " FROM generate_series(1, %s) AS n",
            [item_set.pk, count],
        )
        cursor.execute(
            "INSERT INTO items_candidate (id, item_id, position, state, content, context, provenance, flags, recipe,"
            " pool_entry, request) SELECT gen_random_uuid(), items_item.id, position, 'final',"
            " '{\"text\": \"An answer.\"}', '{}', '{}', '[]', '', '', '{}'"
            " FROM items_item, generate_series(0, 1) AS position"
        )
        cursor.execute("VACUUM ANALYZE")


def _lease(study: Any) -> list[float]:
    """Seconds of some leases by somebody new. What was leased is closed before the next one."""
    from django.utils import timezone  # noqa: PLC0415 - only after the settings are read

    from annotation.assignments.services import close_assignment, lease_next  # noqa: PLC0415
    from tests.factories import comparisons  # noqa: PLC0415

    person, step, taken = comparisons.person(study), comparisons.step_of(study), []
    for _ in range(IN_A_TURN):
        now, began = timezone.now(), time.perf_counter()
        place = lease_next(participation=person, step=step, now=now)
        taken.append(time.perf_counter() - began)
        assert place is not None
        close_assignment(assignment_id=place.pk, now=now)
    return taken


if __name__ == "__main__":
    sys.exit(main())
