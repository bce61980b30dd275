"""A whole site for a benchmark, on the loopback: `embedded` as `make run` starts it, or `scaled`, the services of
`docker/compose.yml` as processes beside a PostgreSQL and a Redis of their own. It is stopped at the end."""

import os
import re
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

import httpx
import yaml

from tests.live import ROOT, wait_until
from tests.servers import a_free_port, servers

MODE = os.environ.get("MODE", "embedded")
READY = "Ctrl-C stops everything."
# what prepares, and what this machine has servers of its own for
NOT_STARTED = {"migrate", "demo", "postgres", "redis"}
TICKS_A_SECOND = os.sysconf("SC_CLK_TCK")
ROLES = {
    "web": ("uvicorn",),
    "worker": ("celery",),
    "models": ("models_serving",),
    "postgresql": ("postgres",),
    "redis": ("redis-server",),
}


@contextmanager
def site(folder: Path) -> Iterator[str]:
    """Its address. This process is given the site's environment, and may set Django up afterwards."""
    if MODE not in {"embedded", "scaled"}:
        sys.exit(f"MODE={MODE}: embedded or scaled")
    port, models = a_free_port(), a_free_port()
    os.environ |= {
        "DATA_DIR": str(folder),
        "PORT": str(port),
        "MODEL_SERVER_PORT": str(models),
        "STARTS_PER_MINUTE": "100000",
        "DJANGO_SETTINGS_MODULE": "annotation.settings",
    }
    with ExitStack() as stack:
        if MODE == "scaled":
            os.environ |= stack.enter_context(servers())
            os.environ["MODEL_SERVER_URL"] = f"http://127.0.0.1:{models}/v1"
        stack.enter_context(_scaled(folder, port, models) if MODE == "scaled" else _embedded(folder))
        yield f"http://127.0.0.1:{port}"


@contextmanager
def _embedded(folder: Path) -> Iterator[None]:
    said = folder / "said.txt"
    with said.open("w") as out:
        up = subprocess.Popen([sys.executable, "manage.py", "up"], cwd=ROOT, stdout=out, stderr=out)
    try:
        wait_until("the site", lambda: READY in said.read_text() or up.poll() is not None, seconds=180)
        assert up.poll() is None, said.read_text()
        yield
    finally:
        up.send_signal(signal.SIGINT)
        up.wait(timeout=60)


@contextmanager
def _scaled(folder: Path, port: int, models: int) -> Iterator[None]:
    services: dict[str, Any] = yaml.safe_load((ROOT / "docker" / "compose.yml").read_text())["services"]
    prepare = [sys.executable, "manage.py", "up", "--prepare"]
    subprocess.run(prepare, cwd=ROOT, check=True, stdout=subprocess.DEVNULL)
    running: list[subprocess.Popen[bytes]] = []
    try:
        for name in sorted(services.keys() - NOT_STARTED):
            with (folder / f"{name}.log").open("w") as out:
                running.append(_started(services[name], {"8000": str(port), "8100": str(models)}, out))
        wait_until("the site", lambda: _is_ready(port), seconds=180)
        subprocess.run(prepare, cwd=ROOT, check=True, stdout=subprocess.DEVNULL)
        yield
    finally:
        for one in running:
            one.send_signal(signal.SIGTERM)
        for one in running:
            one.wait(timeout=60)


def _started(service: dict[str, Any], ports: dict[str, str], out: Any) -> "subprocess.Popen[bytes]":
    """The service's own command, with its own number of threads and processes."""
    words = [ports.get(word, _filled(word)) for word in service["command"]]
    words = ["127.0.0.1" if word == "0.0.0.0" else word for word in words]  # noqa: S104 - taken out, not bound
    program = [sys.executable] if words[0] == "python" else [sys.executable, "-m", words[0]]
    return subprocess.Popen([*program, *words[1:]], cwd=ROOT, stdout=out, stderr=out)


def _filled(word: str) -> str:
    return re.sub(r"\$\{(\w+):-([^}]*)\}", lambda found: os.environ.get(found[1]) or found[2], word)


def _is_ready(port: int) -> bool:
    try:
        return httpx.get(f"http://127.0.0.1:{port}/readyz", timeout=5).status_code == 200
    except httpx.HTTPError:
        return False


class Usage:
    """What the site's processes and this one use: processor time by what they are, and what the web processes weigh."""

    def __init__(self) -> None:
        self._before = self._seconds()

    def seconds(self) -> dict[str, float]:
        """Processor seconds of each kind of process since then."""
        now = self._seconds()
        return {role: round(now[role] - self._before.get(role, 0), 2) for role in now}

    @staticmethod
    def web_kb() -> int:
        """What of the web processes' memory is their own."""
        return sum(_own_kb(pid) for pid, role in _processes().items() if role == "web")

    @staticmethod
    def _seconds() -> dict[str, float]:
        spent: dict[str, float] = {}
        for pid, role in _processes().items():
            spent[role] = spent.get(role, 0) + _processor_seconds(pid)
        return spent


def _processes() -> dict[int, str]:
    """Everything that was started from here, and this process itself."""
    parents: dict[int, int] = {}
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit() and (fields := _fields(int(entry.name))):
            parents[int(entry.name)] = int(fields[1])
    ours = {os.getpid(): "client"}
    grown = True
    while grown:
        found = {pid: _role(pid, ours[parent]) for pid, parent in parents.items() if parent in ours and pid not in ours}
        grown = bool(found)
        ours |= found
    return ours


def _role(pid: int, parents: str) -> str:
    """What a process is; one that was made by fork or spawn is what its parent is."""
    try:
        command = Path(f"/proc/{pid}/cmdline").read_bytes().decode(errors="replace")
    except OSError:
        return "other"
    known = (role for role, words in ROLES.items() if any(word in command for word in words))
    return next(known, "other" if parents == "client" else parents)


def _fields(pid: int) -> list[str]:
    """Of `/proc/<pid>/stat`, from the state on; empty where the process is gone."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except OSError:
        return []


def _processor_seconds(pid: int) -> float:
    fields = _fields(pid)
    return (int(fields[11]) + int(fields[12])) / TICKS_A_SECOND if fields else 0.0


def _own_kb(pid: int) -> int:
    try:
        found = re.search(r"RssAnon:\s+(\d+) kB", Path(f"/proc/{pid}/status").read_text())
    except OSError:
        return 0
    return int(found[1]) if found else 0
