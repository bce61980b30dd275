"""p95 of leasing the next item with 10³, 10⁵ and 10⁶ open places, for each order in which places can stand. The three
sizes have a PostgreSQL each and are measured in turns, so that whatever else the machine does falls on all of them.

`make bench NAME=lease_scale`; `SIZES=1000,100000` and `POLICIES=random,ordered` for less, `LEASES=…` for more."""

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
POLICIES = os.environ.get("POLICIES", ",".join(KEYS)).split(",")


def main() -> int:
    context = multiprocessing.get_context("spawn")
    sites: dict[int, Connection] = {}
    for size in SIZES:
        sites[size], theirs = context.Pipe()
        context.Process(target=site, args=(size, theirs), daemon=True).start()
        # so that an end of that process is the end of the pipe
        theirs.close()
        print(f"{size} places: {sites[size].recv()}", flush=True)
    missed = 0
    for policy in POLICIES:
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
    print(f"{policy}: {figures}", flush=True)
    keep("lease_scale", figures)
    return sum(one > GOAL for one in ratio.values())


# -- one size, in a process of its own ---------------------------------------------------------------------------------
def site(size: int, pipe: Connection) -> None:
    with database("postgresql"):
        from django.db import connection

        from tests.factories import comparisons

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
                # what was leased under the policy before is open again: the small one would run out of places
                cursor.execute("DELETE FROM assignments_presentation")
                cursor.execute(
                    "UPDATE assignments_assignment SET state = 'open', participation_id = NULL WHERE state != 'open'"
                )
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
    from django.db import connection

    from annotation.items.models import Candidate, Item
    from annotation.studies.models import Study
    from tests.factories import comparisons

    comparisons.add_items(Study.objects.get(pk=study_id), 1)
    with connection.cursor() as cursor:
        own = {"id": "gen_random_uuid()", "ordinal": "n", "external_id": "n"}
        cursor.execute(_copies(Item, own) + " CROSS JOIN generate_series(2, %s) AS n", [count])
        own = {"id": "gen_random_uuid()", "item_id": "other.id"}
        cursor.execute(_copies(Candidate, own) + " JOIN items_item AS other ON other.id != it.item_id")
        cursor.execute("VACUUM ANALYZE")


def _copies(model: Any, own: dict[str, str]) -> str:
    """An INSERT of copies of all rows, with other values in the columns of `own`."""
    columns = [field.column for field in model._meta.concrete_fields]
    values = ", ".join(own.get(column, f"it.{column}") for column in columns)
    table = model._meta.db_table
    return f"INSERT INTO {table} ({', '.join(columns)}) SELECT {values} FROM {table} AS it"  # noqa: S608 - ours


def _lease(study: Any) -> list[float]:
    """Seconds of some leases by somebody new. What was leased is closed before the next one."""
    from django.utils import timezone

    from annotation.assignments.services import close_assignment, lease_next
    from tests.factories import comparisons

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
