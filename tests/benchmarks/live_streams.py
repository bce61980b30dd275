"""Many people in live turns of four candidates at once, on the demo models and all that `make run` starts: how long
until a first token, whether the slowest person gets their share, and whether anything stays stuck; the same with
admission; the same with the model process killed in the middle; and, with answers from a script at 50 tokens a second
whose tokens say when they left, how much later they are with people. It starts the whole site on the loopback, each
scenario with a fresh one, and stops it.

`make bench NAME=live_streams`; `PEOPLE=20` for less (else 60, and 100 with the script),
`SCENARIOS=open,admission,killed,scripted` for some of them, `MODE=scaled` for the services of `docker/compose.yml` on
PostgreSQL and Redis (`killed` needs the embedded mode)."""

import json
import multiprocessing
import os
import signal
import sys
import tempfile
import threading
import time
from collections import Counter, defaultdict
from pathlib import Path
from typing import Any

from tests.benchmarks import _stamped
from tests.benchmarks._keeping import keep, percentile
from tests.benchmarks._sites import MODE, site
from tests.live import wait_until

PEOPLE = int(os.environ.get("PEOPLE", "60"))
SCENARIOS = os.environ.get("SCENARIOS", "open,admission,killed,scripted").split(",")
# seconds within which 95 of 100 answers are to begin, where people are admitted
TARGET = float(os.environ.get("TARGET", "5"))
MODELS = ["demo-terse", "demo-warm", "demo-formal", "demo-playful"]
FOUR = {"candidates": {"recipe": "distinct_models", "k": 4}, "protocol": "rate"}


def document(scenario: str) -> dict[str, Any]:
    """Consent, one talk of two turns with four candidates each, and the end."""
    talk: dict[str, Any] = {"conversations": "talk", "count": 1, "opening": FOUR, "turns": FOUR | {"min": 2, "max": 2}}
    if scenario == "admission":
        talk["admission"] = {"first_token": TARGET}
    return {
        "study": "live",
        "title": "Live turns",
        "consent": [{"version": "c1", "text": "A test.", "statements": [{"name": "agree", "text": "I agree"}]}],
        "models": {"pool": MODELS, "sampling": {"max_tokens": 40}, "deadline": 120, "on_failure": {"retries": 3}},
        "questions": {"score": {"kind": "slider", "text": "How good?", "scale": {"min": 1, "max": 100}}},
        "protocols": {"rate": {"per_candidate": ["score"], "choice": {"from": "score", "tie": "first"}}},
        "steps": [{"consent": "c1"}, talk, {"debrief": {"text": "Thank you."}}],
    }


def main() -> int:
    wrong = 0
    for scenario in SCENARIOS:
        # a process of its own each time, because Django is set up for one database
        process = multiprocessing.get_context("spawn").Process(target=one, args=(scenario,))
        process.start()
        process.join()
        wrong += process.exitcode != 0
    return wrong


def one(scenario: str) -> None:
    with (
        tempfile.TemporaryDirectory(prefix="plurivox-bench-", ignore_cleanup_errors=True) as folder,
        site(Path(folder)) as url,
    ):
        if scenario == "scripted":
            figures = _stamped.streamed(Path(folder), url)
        else:
            figures = taken_part(scenario, Path(folder), url)
    print(f"{scenario}: {json.dumps(figures)}", flush=True)
    keep("live_streams", {"scenario": scenario, "mode": MODE} | figures)
    sys.exit(1 if figures["stuck"] or figures["errors"] else 0)


def taken_part(scenario: str, folder: Path, url: str) -> dict[str, Any]:
    import django

    django.setup()
    from django.core.management import call_command

    from annotation.participation.rehearsal.run import Rehearsal
    from annotation.studies.loading import checked

    file = folder / "live.yaml"
    file.write_text(json.dumps(document(scenario)))
    call_command("study", "load", str(file), "--open", verbosity=0)
    bots = Rehearsal(checked(document(scenario)), url, PEOPLE, seed=1, at_once=PEOPLE)
    killed: list[str] = []
    watching = threading.Thread(target=kill_models, args=(folder, killed), daemon=True)
    began = time.monotonic()
    if scenario == "killed":
        watching.start()
    journeys = list(bots.run())
    seconds = time.monotonic() - began
    if scenario == "killed":
        watching.join(timeout=60)
    ends = Counter(journey.end or "error" for journey in journeys)
    errors = [journey.error for journey in journeys if journey.error]
    waited = sum(journey.counts["wait"] for journey in journeys)
    return {"people": PEOPLE, "seconds": round(seconds, 1), "ends": ends, "errors": errors[:5], "killed": killed} | {
        "looks_at_the_line": waited,
        **figures_of_turns(),
    }


def kill_models(folder: Path, killed: list[str]) -> None:
    """`kill -9` of the model process when a third of the answers are there."""
    from django.db import connection

    from annotation.items.models import Generation

    done = Generation.objects.filter(state=Generation.State.DONE)
    wait_until("a third of the answers", lambda: done.count() >= PEOPLE * 8 // 3, seconds=600)
    pid = int((folder / "run" / "models.pid").read_text().split()[0])
    killed.append(f"at {done.count()} answers, {Generation.objects.filter(state='running').count()} under way")
    os.kill(pid, signal.SIGKILL)
    connection.close()


def figures_of_turns() -> dict[str, Any]:
    """What the rows say afterwards."""
    from annotation.conversations.models import Turn
    from annotation.items.models import Candidate, Generation
    from models_serving.catalog.models import OpenRequest

    done = Generation.objects.filter(state=Generation.State.DONE).select_related("candidate__item__turn")
    first, engine, waits, tokens = [], [], defaultdict(list), Counter[str]()
    for row in done:
        turn = row.candidate.item.turn
        assert row.first_token_s is not None
        first.append((row.started_at - turn.started_at).total_seconds() + row.first_token_s)
        engine.append(row.first_token_s)
        tokens[str(turn.conversation_id)] += row.completion_tokens or 0
    for turn in Turn.objects.exclude(ready_at=None):
        assert turn.ready_at is not None
        waits[str(turn.conversation_id)].append((turn.ready_at - turn.started_at).total_seconds())
    # tokens that a person gets in a second of waiting, beside what everybody gets on average
    rates = sorted(tokens[person] / max(sum(spent), 0.001) for person, spent in waits.items())
    stuck = Turn.objects.filter(state=Turn.State.GENERATING).count()
    unfinished = Candidate.objects.filter(item__turn__state__in=["ready", "judged"]).exclude(state="final").count()
    return {
        "answers": len(first),
        "first_token_p50_s": round(percentile(first, 0.5), 2),
        "first_token_p95_s": round(percentile(first, 0.95), 2),
        "first_token_in_the_log_p50_s": round(percentile(told := first_words(), 0.5), 2),
        "first_token_in_the_log_p95_s": round(percentile(told, 0.95), 2),
        "engine_first_token_p95_s": round(percentile(engine, 0.95), 2),
        "turn_p50_s": round(percentile([one for spent in waits.values() for one in spent], 0.5), 2),
        "slowest_turn_s": round(max(one for spent in waits.values() for one in spent), 2),
        "slowest_persons_share": round(rates[0] / (sum(rates) / len(rates)), 2),
        "turns": Counter(Turn.objects.values_list("state", flat=True)),
        "attempts": Counter(Generation.objects.values_list("state", flat=True)),
        "tried_before_the_first_token": sum(len(row.route["tries"]) for row in done if row.route),
        "stuck": stuck + unfinished + OpenRequest.objects.count(),
    }


def first_words() -> list[float]:
    """Seconds from each message to the first text of each answer that stayed, by the log that pages read. What a busy
    worker takes before it asks a model is in it, and in the rows of the attempts is not."""
    from annotation.conversations.live import turn_log
    from annotation.conversations.models import Turn

    found = []
    for turn in Turn.objects.exclude(ready_at=None):
        said = [one.event for one in turn_log().read(turn.pk) if one.event.kind == "token"]
        last = {event.slot: event.attempt for event in said}
        begun = {event.slot: event.at for event in reversed(said) if event.attempt == last[event.slot]}
        found += [at - turn.started_at.timestamp() for at in begun.values()]
    return found


if __name__ == "__main__":
    sys.exit(main())
