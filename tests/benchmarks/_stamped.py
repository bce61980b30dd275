"""Live turns whose tokens say when they left the scripted backend: how much later each is with the person, what each
process spends on it, and how much memory a stream takes. All messages are sent at the same moment; there is a worker
thread for each answer. The streams are read by one thread that does nothing but note when which bytes came.

Two things are told apart: all tokens, those included that left while a hundred messages were still being taken and
pages sent, before anybody could listen; and those of the time in which all streams were open (`settled`)."""

import json
import os
import re
import selectors
import socket
import subprocess
import sys
import threading
import time
from bisect import bisect_left
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from tests.benchmarks._keeping import percentile
from tests.benchmarks._sites import Usage
from tests.live import ROOT, wait_until

PEOPLE = int(os.environ.get("PEOPLE", "100"))
TOKENS_PER_SECOND = 50
TOKENS = int(os.environ.get("TOKENS", "1000"))
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
STAMP = re.compile(rb"(\d{10}\.\d{4}) ")


def streamed(folder: Path, url: str) -> dict[str, Any]:
    """The figures of one run against a running site."""
    import django

    django.setup()
    from django.core import signing
    from django.core.management import call_command

    from annotation.participation.rehearsal.run import REHEARSAL_SALT
    from annotation.studies.loading import checked
    from models_serving.catalog.models import ServedEndpoint, ServedModel

    options = {"stamps": TOKENS, "pace": TOKENS_PER_SECOND}
    declared = [{"name": name, "backend": "scripted", "options": options} for name in MODELS]
    for name, written in (("models", declared), ("study", DOCUMENT)):
        (folder / f"{name}.yaml").write_text(json.dumps(written))
    call_command("models", "register", str(folder / "models.yaml"), verbosity=0)
    for model in ServedModel.objects.filter(name__in=MODELS):
        ServedEndpoint.objects.update_or_create(served_model=model, url="", defaults={"most_at_once": PEOPLE})
    call_command("study", "load", str(folder / "study.yaml"), "--open", verbosity=0)
    token = signing.dumps({"study": DOCUMENT["study"], "seed": 1}, salt=REHEARSAL_SALT)
    ear, weight = Ear(), Weight()
    together = threading.Barrier(PEOPLE, action=weight.begin)
    kind = listener(ear, together)
    bots = [kind(checked(DOCUMENT), url, token, number, 1) for number in range(PEOPLE)]
    with more_threads(folder), weight, ThreadPoolExecutor(PEOPLE) as pool:
        journeys = list(pool.map(lambda bot: bot.take_part(), bots))
    ear.close()
    return (
        figures(ear)
        | weight.figures()
        | {
            "people": PEOPLE,
            "ends": Counter(journey.end or "error" for journey in journeys),
            "errors": [journey.error for journey in journeys if journey.error][:5],
            "stuck": sum(journey.end != "completed" for journey in journeys),
        }
    )


def listener(ear: "Ear", together: threading.Barrier) -> Any:
    """A bot that sends its message when all do, and lets the ear read its stream."""
    from annotation.participation.rehearsal.bot import Bot
    from annotation.participation.rehearsal.pages import Form, Page, Values

    class Listener(Bot):
        def _post(self, form: Form, values: Values) -> Page:
            if form.purpose == "message":
                together.wait(120)
            return super()._post(form, values)

        def _wait_for_turn(self, url: str) -> None:
            ear.listen(url, "; ".join(f"{name}={value}" for name, value in self.client.cookies.items())).result(300)

    return Listener


@dataclass
class Heard:
    """The bytes of one stream, and how many there were by when."""

    said: bytearray = field(default_factory=bytearray)
    ends: list[int] = field(default_factory=list)
    times: list[float] = field(default_factory=list)
    over: Future[None] = field(default_factory=Future)

    def hear(self, part: bytes) -> None:
        self.said += part
        self.ends.append(len(self.said))
        self.times.append(time.time())

    def stamps(self) -> Iterator[tuple[float, float]]:
        """When each token arrived, and when it had left."""
        for found in STAMP.finditer(self.said):
            yield self.times[bisect_left(self.ends, found.end())], float(found[1])


class Ear:
    """Reads all streams in one thread. Bytes are looked at afterwards. `settled` is the time from which on all streams
    were open until the first of them ended, and `seconds` what each kind of process spent in it."""

    def __init__(self) -> None:
        self.heard: list[Heard] = []
        self.settled = (0.0, 0.0)
        self.seconds: dict[str, float] = {}
        self._opened = 0
        self._usage: Usage | None = None
        self._selector = selectors.DefaultSelector()
        self._closed = threading.Event()
        self._thread = threading.Thread(target=self._run, name="ear", daemon=True)
        self._thread.start()

    def listen(self, url: str, cookies: str) -> "Future[None]":
        """Ask for a stream; done when the server has ended it."""
        where = urlsplit(url)
        stream, heard = socket.create_connection((where.hostname or "", where.port or 80)), Heard()
        head = f"GET {where.path} HTTP/1.1\r\nHost: {where.netloc}\r\nAccept: text/event-stream\r\n"
        stream.sendall(f"{head}Cookie: {cookies}\r\nConnection: close\r\n\r\n".encode())
        self.heard.append(heard)
        self._selector.register(stream, selectors.EVENT_READ, heard)
        return heard.over

    def close(self) -> None:
        self._closed.set()
        self._thread.join()

    def _run(self) -> None:
        while not self._closed.is_set():
            for key, _ in self._selector.select(0.1):
                self._read(key.fileobj, key.data)

    def _read(self, stream: Any, heard: Heard) -> None:
        part = stream.recv(1 << 16)
        if part:
            self._opened += not heard.ends
            heard.hear(part)
            if self._opened == PEOPLE and self._usage is None:
                self._usage, self.settled = Usage(), (time.time(), 0.0)
            return
        self._selector.unregister(stream)
        stream.close()
        heard.over.set_result(None)
        if self._usage is not None and not self.seconds:
            self.settled, self.seconds = (self.settled[0], time.time()), self._usage.seconds()


@contextmanager
def more_threads(folder: Path) -> Iterator[None]:
    """Workers beside the site's own, until every answer has a thread."""
    from annotation.common import embedded

    of_the_site = embedded.worker().command
    threads = of_the_site[of_the_site.index("-c") + 1]
    command = [sys.executable, "-m", "celery", "-A", "annotation", "worker", "-P", "threads", "-Q", "generation"]
    command += ["-c", threads, "--without-gossip", "--without-mingle", "-l", "INFO"]
    said = folder / "workers.log"
    more = -(-PEOPLE * len(MODELS) // int(threads)) - 1
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


def figures(ear: Ear) -> dict[str, Any]:
    """What the stamps say, and what a token costs each kind of process. Several tokens may come in one event."""
    stamps = [stamp for one in ear.heard for stamp in one.stamps()]
    begin, end = ear.settled
    settled = [(at, left) for at, left in stamps if begin <= left <= end]
    arrived = sum(begin <= at <= end for at, _ in stamps)
    return {
        "tokens": len(stamps),
        "wanted_a_second": PEOPLE * len(MODELS) * TOKENS_PER_SECOND,
        "all": _delays(stamps),
        "settled": {"seconds": round(end - begin, 1), "tokens_a_second": round(len(settled) / max(end - begin, 0.001))}
        | _delays(settled)
        | {"us_a_token": {role: round(spent * 1e6 / max(arrived, 1), 1) for role, spent in ear.seconds.items()}},
    }


def _delays(stamps: list[tuple[float, float]]) -> dict[str, float]:
    """How much later than it left a token arrived."""
    added = [at - left for at, left in stamps] or [0.0]
    lasted = max(left for _, left in stamps) - min(left for _, left in stamps) if stamps else 0.0
    return {
        "added_p50_ms": round(percentile(added, 0.5) * 1000, 1),
        "added_p95_ms": round(percentile(added, 0.95) * 1000, 1),
        "added_most_ms": round(max(added) * 1000, 1),
        "lasted_s": round(lasted, 1),
    }


class Weight:
    """What the site's web processes weigh more while they stream, read every half second (Linux)."""

    def __init__(self) -> None:
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._watch, daemon=True)
        self.before = self.most = 0

    def begin(self) -> None:
        """All are there and nobody streams yet."""
        self.before = self.most = Usage.web_kb()

    def __enter__(self) -> None:
        self._thread.start()

    def __exit__(self, *_: object) -> None:
        self._over.set()
        self._thread.join()

    def figures(self) -> dict[str, Any]:
        """Per stream: one a person, with four answers in it."""
        return {"web_mb_before": self.before >> 10, "kb_a_stream": round((self.most - self.before) / PEOPLE)}

    def _watch(self) -> None:
        while not self._over.wait(0.5):
            self.most = max(self.most, Usage.web_kb())
