"""`make test`: the suite on SQLite, again on PostgreSQL and Redis, and the journeys in a real browser.

Three pytest processes, because a browser's event loop and asyncio tests do not share one; one honest sum at the end.
"""

import os
import subprocess
import sys
import tempfile
import time
from collections import Counter
from contextlib import nullcontext
from pathlib import Path
from xml.etree import ElementTree

from tests.browser import HOW_TO_GET_ONE, chromium
from tests.servers import servers

ROOT = Path(__file__).resolve().parent.parent
IN_CI = os.environ.get("CI", "").lower() in {"1", "true", "yes"}
PARALLEL = ["-n", os.environ.get("TEST_PROCESSES", "2")]


def main() -> int:
    chosen = sys.argv[1:]
    runs = [
        pytest_run("SQLite, embedded broker", [*PARALLEL, "-m", "not journey", *chosen]),
        pytest_run("PostgreSQL, Redis", [*PARALLEL, "-m", "not journey", "--database-only", *chosen], on_servers=True),
    ]
    browser = chromium()
    if browser:
        runs.append(pytest_run("journeys in Chromium", ["-m", "journey", *chosen]))
    total = Counter[str]()
    for counts in runs:
        total.update(counts)
    if not browser:
        print(f"\n{'!' * 100}\nTHE BROWSER JOURNEYS DID NOT RUN. {HOW_TO_GET_ONE}\n{'!' * 100}\n")
        total["failed"] += IN_CI
    print(f"\n{said(total)}")
    return 1 if total["failed"] or not total["passed"] else 0


def pytest_run(title: str, arguments: list[str], *, on_servers: bool = False) -> Counter[str]:
    print(f"\n{'=' * 10} {title} {'=' * (88 - len(title))}", flush=True)
    began = time.monotonic()
    with tempfile.TemporaryDirectory() as folder, servers() if on_servers else nullcontext({}) as addresses:
        report = Path(folder) / "report.xml"
        command = [sys.executable, "-m", "pytest", "-q", f"--junitxml={report}", *arguments]
        plain = {name: value for name, value in os.environ.items() if name not in {"DATABASE_URL", "REDIS_URL"}}
        code = subprocess.run(command, cwd=ROOT, env=plain | addresses, check=False).returncode
        counts = counted(report, code)
    print(f"{title}: {said(counts)} in {time.monotonic() - began:.0f} s", flush=True)
    return counts


def counted(report: Path, code: int) -> Counter[str]:
    """What the report holds. A run that ended badly without a failed test in it is a failure all the same."""
    counts = Counter[str]()
    if report.exists():
        suites = ElementTree.parse(report).getroot().iter("testsuite")  # noqa: S314 - our own file
        counts.update(fate(case) for suite in suites for case in suite.iter("testcase"))
    if code != 0 and not counts["failed"]:
        counts["failed"] += 1
    return counts


def said(counts: Counter[str]) -> str:
    return f"{counts['passed']} passed, {counts['failed']} failed, {counts['skipped']} skipped"


def fate(case: ElementTree.Element) -> str:
    if case.find("failure") is not None or case.find("error") is not None:
        return "failed"
    return "skipped" if case.find("skipped") is not None else "passed"


if __name__ == "__main__":
    sys.exit(main())
