"""Many people who judge at once, each a process of its own: `python -m tests.claimers FOLDER` forks one per id in
FOLDER/people and lets all go at the same moment. Each writes down every judgement that was acknowledged.

For tests and benchmarks of places; it goes through the services that pages and the API go through."""

import os
import signal
import subprocess
import sys
import time
import traceback
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent


@dataclass
class Claimers:
    """A run of claimers, seen from outside. `folder` holds who they are and what each of them saw."""

    folder: Path
    people: Sequence[str]
    environment: dict[str, str]
    _process: "subprocess.Popen[bytes] | None" = field(default=None, init=False)

    def start(self) -> None:
        self.folder.mkdir(parents=True)
        (self.folder / "people").write_text("\n".join(self.people))
        command = [sys.executable, "-m", "tests.claimers", str(self.folder)]
        self._process = subprocess.Popen(command, cwd=ROOT, env=self.environment, start_new_session=True)

    def pids(self) -> list[int]:
        """Of those that began, in the order of `people`; empty until all have."""
        path = self.folder / "pids"
        return [int(pid) for pid in path.read_text().split()] if path.exists() else []

    def kill(self, numbers: Sequence[int]) -> None:
        """As a machine that loses power would."""
        pids = self.pids()
        for number in numbers:
            os.kill(pids[number], signal.SIGKILL)

    def wait(self, timeout: float) -> None:
        assert self._process is not None
        try:
            self._process.wait(timeout)
        finally:
            if self._process.poll() is None:
                os.killpg(self._process.pid, signal.SIGKILL)
                self._process.wait()

    def acknowledged(self) -> list[str]:
        """The ids of all judgements for which somebody got a receipt."""
        return [line for path in sorted(self.folder.glob("*.receipts")) for line in _whole_lines(path)]

    def seconds(self) -> list[float]:
        """How long each lease took."""
        return [float(line) for path in self.folder.glob("*.seconds") for line in _whole_lines(path)]

    def errors(self) -> list[str]:
        return [path.read_text() for path in sorted(self.folder.glob("*.error"))]


def _whole_lines(path: Path) -> list[str]:
    """Without one that a kill cut off."""
    return [line.rstrip("\n") for line in path.read_text().splitlines(keepends=True) if line.endswith("\n")]


def main(folder: Path) -> None:
    import django

    django.setup()
    from django.db import connections

    connections.close_all()
    gate = Gate(os.pipe(), os.pipe())
    pids = [_begin(folder, number, person, gate) for number, person in enumerate(_people(folder))]
    # under another name first, so that it is there whole
    (folder / "pids.part").write_text("\n".join(map(str, pids)))
    (folder / "pids.part").rename(folder / "pids")
    gate.open()
    for pid in pids:
        os.waitpid(pid, 0)


def _people(folder: Path) -> list[str]:
    return (folder / "people").read_text().split()


@dataclass(frozen=True)
class Gate:
    """Two pipes: one over which everybody says that they are ready, one whose end lets all of them go."""

    ready: tuple[int, int]
    go: tuple[int, int]

    def wait(self) -> None:
        os.close(self.go[1])
        os.write(self.ready[1], b".")
        os.read(self.go[0], 1)

    def one_more(self) -> None:
        os.read(self.ready[0], 1)

    def open(self) -> None:
        os.close(self.go[1])


def _begin(folder: Path, number: int, person: str, gate: Gate) -> int:
    pid = os.fork()
    if pid:
        # one after the other: so many connections at once are another test
        gate.one_more()
        return pid
    try:
        _judge_all(folder / str(number), person, gate)
    except BaseException:  # noqa: BLE001 - whatever it was is written down, and the test fails by it
        (folder / f"{number}.error").write_text(traceback.format_exc())
        os.write(gate.ready[1], b".")
    finally:
        os._exit(0)


def _judge_all(out: Path, person: str, gate: Gate) -> None:
    from django.utils import timezone

    from annotation.assignments.services import lease_next
    from annotation.participation.models import Participation
    from tests.factories import comparisons

    participation = Participation.objects.select_related("study__current", "version").get(pk=person)
    step = comparisons.step_of(participation.study)
    gate.wait()
    with (
        out.with_suffix(".receipts").open("a", buffering=1) as receipts,
        out.with_suffix(".seconds").open("a", buffering=1) as seconds,
    ):
        while True:
            began = time.perf_counter()
            place = lease_next(participation=participation, step=step, now=timezone.now())
            seconds.write(f"{time.perf_counter() - began:.6f}\n")
            if place is None:
                return
            receipts.write(f"{comparisons.judged(place).judgement.pk}\n")


# -- a study for them, and what must hold afterwards -------------------------------------------------------------------
OVERLAP = {"crowd": 2, "expert": 1}


def study_for(people: int, items: int) -> list[str]:
    """A study with so many items, three judgements each in two strata, and people of both. The ids of the people."""
    from tests.factories import comparisons

    study = comparisons.comparing(items, step={"overlap": OVERLAP})
    pools = ["expert" if number % 3 == 2 else "crowd" for number in range(people)]
    return [str(comparisons.person(study, pool=pool).pk) for pool in pools]


def what_is_wrong(acknowledged: Sequence[str], items: int) -> list[str]:
    """Everything in the database that must not be so once all places are filled."""
    from annotation.assignments.models import Assignment
    from annotation.judgements.models import Judgement

    stored = [str(pk) for pk in Judgement.objects.values_list("pk", flat=True)]
    pairs = Counter(Judgement.objects.values_list("assignment__item", "participation"))
    filled = Counter(Judgement.objects.values_list("assignment__item", "assignment__stratum"))
    counts = {stratum: Counter(n for (_, of), n in filled.items() if of == stratum) for stratum in OVERLAP}
    left = Counter(Assignment.objects.filter(state__in=["open", "leased"]).values_list("state", flat=True))
    checks = {
        f"{len(stored)} judgements instead of {3 * items}": len(stored) != 3 * items,
        "a receipt without its judgement, or twice": len(set(acknowledged) - set(stored)) > 0
        or len(set(acknowledged)) != len(acknowledged),
        "somebody judged an item twice": max(pairs.values(), default=0) > 1,
        f"items by number of judgements: {counts}": counts
        != {stratum: Counter({overlap: items}) for stratum, overlap in OVERLAP.items()},
        f"places left: {dict(left)}": bool(left),
    }
    return [text for text, wrong in checks.items() if wrong]


if __name__ == "__main__":
    main(Path(sys.argv[1]))
