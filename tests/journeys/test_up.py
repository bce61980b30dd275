"""`manage.py up`, as `make run` calls it: a first start, a second one, and what happens in between."""

import os
import re
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import httpx
import pytest
from playwright.sync_api import Page, expect

from annotation.common.processes import command_of
from tests.live import ROOT, wait_until
from tests.servers import a_free_port

READY = "Ctrl-C stops everything."


def surroundings() -> dict[str, str]:
    """What a terminal has: nothing of the settings that tests run with."""
    return {name: os.environ[name] for name in ("PATH", "HOME", "LANG") if name in os.environ}


class Site:
    """A site in a folder of its own. It is started and stopped as a person at a terminal does it."""

    def __init__(self, folder: Path) -> None:
        self.folder, self.port = folder, a_free_port()
        self.url = f"http://127.0.0.1:{self.port}"
        self._process: subprocess.Popen[str] | None = None

    def start(self) -> str:
        """Everything that was said until it was ready."""
        said = self.folder.parent / "said.txt"
        chosen = {"DATA_DIR": str(self.folder), "PORT": str(self.port), "MODEL_SERVER_PORT": str(a_free_port())}
        # so that a model server which asks for a key is tried, too
        chosen |= {"MODELS_SERVING_API_KEY": "a key of this test"}
        with said.open("w") as out:
            self._process = subprocess.Popen(
                [sys.executable, "manage.py", "up"],
                cwd=ROOT,
                env=surroundings() | chosen,
                stdout=out,
                stderr=out,
                text=True,
            )
        wait_until(
            "the site is ready", lambda: READY in said.read_text() or self._process.poll() is not None, seconds=120
        )
        assert self._process.poll() is None, said.read_text()
        return said.read_text()

    def ctrl_c(self) -> int:
        assert self._process is not None
        self._process.send_signal(signal.SIGINT)
        return self._process.wait(timeout=30)

    def kill(self) -> None:
        if self._process is not None and self._process.poll() is None:
            self._process.kill()
            self._process.wait()

    def clear(self) -> None:
        """Whatever a test that failed in the middle has left: the site, and the programs that it started."""
        self.kill()
        for pid in self.pids().values():
            with suppress(ProcessLookupError):
                os.killpg(pid, signal.SIGKILL)

    def pids(self) -> dict[str, int]:
        return {file.stem: int(file.read_text().split()[0]) for file in (self.folder / "run").glob("*.pid")}

    def ready(self) -> bool:
        try:
            return httpx.get(f"{self.url}/readyz").status_code == 200
        except httpx.HTTPError:
            return False


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    site = Site(tmp_path_factory.mktemp("site") / "data")
    yield site
    site.clear()


@pytest.fixture
def site_url(site: Site) -> str:
    return site.url


def test_a_first_start_ends_in_links_that_work_and_a_password_that_lets_in(site: Site, page: Page) -> None:
    said = site.start()
    assert re.findall(r"http://\S+", said) == [f"{site.url}/s/tour/", f"{site.url}/s/prism-demo/", f"{site.url}/admin/"]
    assert site.ready()
    page.goto("/s/tour/")
    expect(page.get_by_role("heading", level=1)).to_be_visible()
    page.goto("/admin/")
    page.get_by_label("Username").fill("admin")
    page.get_by_label("Password").fill(re.search(r"password (\S+) \(shown only this once\)", said)[1])
    page.get_by_role("button", name="Log in").click()
    expect(page).to_have_url(f"{site.url}/admin/")
    expect(page.get_by_label("Username")).to_have_count(0)


def test_a_program_that_is_killed_comes_back(site: Site) -> None:
    before = site.pids()
    for name in ("web", "models", "worker", "upkeep"):
        os.kill(before[name], signal.SIGKILL)
    wait_until("all have new processes", lambda: all(site.pids()[name] != before[name] for name in before))
    wait_until("the site is ready again", site.ready, seconds=90)


def refused(**chosen: str) -> str:
    """The last line of a start that does not come about."""
    command = [sys.executable, "manage.py", "up"]
    done = subprocess.run(
        command, cwd=ROOT, env=surroundings() | chosen, capture_output=True, text=True, check=False, timeout=60
    )
    assert done.returncode == 1
    return done.stderr.splitlines()[-1]


def test_the_port_of_a_running_site_is_refused_with_a_hint(site: Site, tmp_path: Path) -> None:
    hint = f"Port {site.port} is in use. Stop what listens there, or choose another: PORT={site.port + 1}"
    assert refused(DATA_DIR=str(tmp_path), PORT=str(site.port)) == f"CommandError: {hint}"


def test_a_second_site_on_the_same_data_is_refused(site: Site) -> None:
    hint = f"A site is already running on {site.folder}. Stop it, or set DATA_DIR."
    assert refused(DATA_DIR=str(site.folder), PORT=str(a_free_port())) == f"CommandError: {hint}"


def test_ctrl_c_stops_everything_and_a_second_start_keeps_the_data(site: Site) -> None:
    running = site.pids()
    assert site.ctrl_c() == 0
    assert [name for name, pid in running.items() if command_of(pid)] == []
    said = site.start()
    assert ("shown only this once" in said, "unchanged" in said) == (False, True)
    assert site.ready()


def test_what_a_killed_start_left_is_cleared_away_by_the_next(site: Site) -> None:
    left = site.pids()
    site.kill()
    said = site.start()
    assert "cleared away  models, upkeep, web, worker, left by a start that was killed\n" in said
    assert [name for name, pid in left.items() if command_of(pid)] == []
    assert site.ctrl_c() == 0
