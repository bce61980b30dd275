"""Live turns whose tokens say when they left the scripted backend: how much later each is with the person, and how much
memory a stream takes. All messages are sent at the same moment; there are as many worker threads as answers."""

import json
import os
import re
import subprocess
import sys
import threading
import time
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from tests.benchmarks._keeping import percentile
from tests.live import ROOT, wait_until

PEOPLE = int(os.environ.get("PEOPLE", "100"))
TOKENS_PER_SECOND = 50
TOKENS = int(os.environ.get("TOKENS", "500"))
THREADS_OF_THE_SITE = 64
MODELS = [f"stamps-{number}" for number in range(4)]
TURN = {"candidates": {"recipe": "distinct_models", "k": 4}, "protocol": "rate", "reveal": "free"}
DOCUMENT: dict[str, Any] = {
    "study": "stamps",
    "title": "Stamped tokens",
    "consent": [{"version": "c1", "text": "A test.", "statements": [{"name": "agree", "text": "I agree"}]}],
    "models": {"pool": [{"name": name} for name in MODELS], "deadline": 120},
    "questions": {"score": {"kind": "slider", "text": "How good?", "scale": {"min": 1, "max": 100}}},
    "protocols": {"rate": {"per_candidate": ["score"], "choice": {"from": "score", "tie": "first"}}},
    "steps": [
        {"consent": "c1"},
        {"conversations": "talk", "count": 1, "opening": TURN, "turns": TURN | {"min": 1, "max": 1}},
        {"debrief": {"text": "Thank you."}},
    ],
}
STAMP = re.compile(r"(\d+\.\d{4}) ")


def streamed(folder: Path, url: str) -> dict[str, Any]:
    """The figures of one run against a running site."""
    import django

    django.setup()
    from django.core import signing
    from django.core.management import call_command

    from annotation.participation.rehearsal.run import REHEARSAL_SALT
    from annotation.studies.loading import checked

    options = {"stamps": TOKENS, "pace": TOKENS_PER_SECOND}
    declared = [{"name": name, "backend": "scripted", "options": options} for name in MODELS]
    for name, written in (("models", declared), ("study", DOCUMENT)):
        (folder / f"{name}.yaml").write_text(json.dumps(written))
    call_command("models", "register", str(folder / "models.yaml"), verbosity=0)
    call_command("study", "load", str(folder / "study.yaml"), "--open", verbosity=0)
    token = signing.dumps({"study": DOCUMENT["study"], "seed": 1}, salt=REHEARSAL_SALT)
    heard: list[tuple[float, str]] = []
    weight = Weight(folder)
    together = threading.Barrier(PEOPLE, action=weight.begin)
    kind = listener(heard, together)
    bots = [kind(checked(DOCUMENT), url, token, number, 1) for number in range(PEOPLE)]
    with more_threads(folder), weight, ThreadPoolExecutor(PEOPLE) as pool:
        journeys = list(pool.map(lambda bot: bot.take_part(), bots))
    return (
        figures(heard)
        | weight.figures()
        | {
            "people": PEOPLE,
            "ends": Counter(journey.end or "error" for journey in journeys),
            "errors": [journey.error for journey in journeys if journey.error][:5],
            "stuck": sum(journey.end != "completed" for journey in journeys),
        }
    )


def listener(heard: list[tuple[float, str]], together: threading.Barrier) -> Any:
    """A bot that sends its message when all do, and notes when each event of its turn came."""
    from annotation.participation.rehearsal.bot import Bot
    from annotation.participation.rehearsal.pages import Form, Page, Values

    class Listener(Bot):
        def _post(self, form: Form, values: Values) -> Page:
            if form.purpose == "message":
                together.wait(120)
            return super()._post(form, values)

        def _wait_for_turn(self, url: str) -> None:
            with self.client.stream("GET", url, headers={"Accept": "text/event-stream"}) as response:
                heard.extend((time.time(), line) for line in response.iter_lines() if line.startswith("data:"))

    return Listener


@contextmanager
def more_threads(folder: Path) -> Iterator[None]:
    """Workers beside the site's own, until every answer has a thread."""
    command = [sys.executable, "-m", "celery", "-A", "annotation", "worker", "-P", "threads", "-Q", "generation"]
    command += ["-c", str(THREADS_OF_THE_SITE), "--without-gossip", "--without-mingle", "-l", "INFO"]
    said = folder / "workers.log"
    more = -(-PEOPLE * len(MODELS) // THREADS_OF_THE_SITE) - 1
    with said.open("w") as out:
        workers = [
            subprocess.Popen([*command, "-n", f"more{number}@%h"], cwd=ROOT, stdout=out, stderr=out)
            for number in range(more)
        ]
        try:
            wait_until("the workers", lambda: said.read_text().count(" ready.") == len(workers), seconds=120)
            yield
        finally:
            for worker in workers:
                worker.terminate()
            for worker in workers:
                worker.wait(timeout=60)


def figures(heard: list[tuple[float, str]]) -> dict[str, Any]:
    """What the stamps say. Several tokens may come in one event."""
    stamps = [(at, float(stamp)) for at, line in heard for stamp in STAMP.findall(line)]
    added = [at - left for at, left in stamps]
    lasted = max(left for _, left in stamps) - min(left for _, left in stamps)
    return {
        "tokens": len(stamps),
        "tokens_a_second": round(len(stamps) / lasted),
        "wanted_a_second": PEOPLE * len(MODELS) * TOKENS_PER_SECOND,
        "added_p50_ms": round(percentile(added, 0.5) * 1000, 1),
        "added_p95_ms": round(percentile(added, 0.95) * 1000, 1),
        "added_most_ms": round(max(added) * 1000, 1),
    }


class Weight:
    """What the site's web process weighs more while it streams; read every fifth of a second (Linux)."""

    def __init__(self, folder: Path) -> None:
        self._pid = int((folder / "run" / "web.pid").read_text().split()[0])
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._watch, daemon=True)
        self.before = self.most = 0

    def begin(self) -> None:
        """All are there and nobody streams yet."""
        self.before = self.most = self._now()

    def __enter__(self) -> None:
        self._thread.start()

    def __exit__(self, *_: object) -> None:
        self._over.set()
        self._thread.join()

    def figures(self) -> dict[str, Any]:
        """Per stream: one a person, with four answers in it."""
        return {"web_mb_before": self.before >> 10, "kb_a_stream": round((self.most - self.before) / PEOPLE)}

    def _watch(self) -> None:
        while not self._over.wait(0.2):
            self.most = max(self.most, self._now())

    def _now(self) -> int:
        """Kilobytes in memory."""
        status = Path(f"/proc/{self._pid}/status").read_text()
        return int(re.search(r"VmRSS:\s+(\d+) kB", status)[1])  # type: ignore[index]  # every process has one
