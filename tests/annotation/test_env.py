import os
import subprocess
import sys
from pathlib import Path

import pytest
from django.core.exceptions import ImproperlyConfigured

from annotation.env import read_bool, read_int, read_list, read_models, read_secret, read_text

ROOT = Path(__file__).resolve().parents[2]


@pytest.mark.parametrize(("raw", "value"), [("1", True), ("Yes", True), (" on ", True), ("0", False), ("", False)])
def test_a_switch_reads_the_usual_words(monkeypatch: pytest.MonkeyPatch, raw: str, value: bool) -> None:
    monkeypatch.setenv("SWITCH", raw)
    assert read_bool("SWITCH", default=not value) is value


def test_a_switch_that_is_not_there_has_its_default(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("SWITCH", raising=False)
    assert (read_bool("SWITCH"), read_bool("SWITCH", default=True)) == (False, True)


@pytest.mark.parametrize("raw", ["maybe", "2", "tru"])
def test_a_switch_refuses_odd_values_and_names_itself(monkeypatch: pytest.MonkeyPatch, raw: str) -> None:
    monkeypatch.setenv("SWITCH", raw)
    with pytest.raises(ImproperlyConfigured, match="SWITCH="):
        read_bool("SWITCH")


@pytest.mark.parametrize("raw", ["", "many", "1.5", "0", "-3"])
def test_a_number_refuses_what_is_none_or_too_small(monkeypatch: pytest.MonkeyPatch, raw: str) -> None:
    monkeypatch.setenv("NUMBER", raw)
    with pytest.raises(ImproperlyConfigured, match="NUMBER="):
        read_int("NUMBER", 5, least=1)


def test_a_number_is_read(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NUMBER", " 12 ")
    assert read_int("NUMBER", 5) == 12


def test_a_list_leaves_out_what_is_empty(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOSTS", "a.example, ,b.example,")
    assert (read_list("HOSTS"), read_list("OTHERS", "x,y")) == (["a.example", "b.example"], ["x", "y"])


def test_a_text_is_trimmed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("WORD", " here ")
    assert (read_text("WORD"), read_text("NOWHERE", "there")) == ("here", "there")


def test_models_have_a_name_a_place_and_perhaps_a_revision(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MODELS", "small=Some/Small-Model@abc123, mine=/models/mine")
    assert read_models("MODELS") == [
        {"name": "small", "path": "Some/Small-Model", "revision": "abc123"},
        {"name": "mine", "path": "/models/mine"},
    ]


@pytest.mark.parametrize("raw", ["small", "=Some/Model", "small=", "small=@abc", "a=x,a=y"])
def test_models_that_are_not_said_correctly_are_refused(monkeypatch: pytest.MonkeyPatch, raw: str) -> None:
    monkeypatch.setenv("MODELS", raw)
    with pytest.raises(ImproperlyConfigured, match="MODELS"):
        read_models("MODELS")


def test_a_secret_comes_from_the_variable_before_the_file_before_the_key_made_once(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    made_once = read_secret("KEY", tmp_path / "key")
    assert read_secret("KEY", tmp_path / "key") == made_once
    assert ((tmp_path / "key").stat().st_mode & 0o777, len(made_once)) == (0o600, 64)
    (tmp_path / "given").write_text("from a file\n")
    monkeypatch.setenv("KEY_FILE", str(tmp_path / "given"))
    assert read_secret("KEY", tmp_path / "key") == "from a file"
    monkeypatch.setenv("KEY", "from the variable")
    assert read_secret("KEY", tmp_path / "key") == "from the variable"


def test_of_several_first_starts_at_once_exactly_one_key_wins(tmp_path: Path) -> None:
    reads = f"read_secret('KEY', Path({str(tmp_path / 'key')!r}))"
    script = f"from pathlib import Path; from annotation.env import read_secret; print({reads})"
    starts = [
        subprocess.Popen([sys.executable, "-c", script], cwd=ROOT, stdout=subprocess.PIPE, text=True) for _ in range(4)
    ]
    keys = {start.communicate(timeout=60)[0] for start in starts}
    assert len(keys) == 1
    assert keys == {(tmp_path / "key").read_text() + "\n"}


@pytest.mark.parametrize(
    ("variables", "refused"),
    [
        ({}, "SECRET_KEY or SECRET_KEY_FILE must be set in production"),
        ({"SECRET_KEY": "k" * 64}, "PRODUCTION refuses DEBUG, an empty ALLOWED_HOSTS and '*'"),
        ({"SECRET_KEY": "k" * 64, "ALLOWED_HOSTS": "*"}, "PRODUCTION refuses DEBUG, an empty ALLOWED_HOSTS and '*'"),
        (
            {"SECRET_KEY": "k" * 64, "ALLOWED_HOSTS": "study.example.org", "DEBUG": "1"},
            "PRODUCTION refuses DEBUG, an empty ALLOWED_HOSTS and '*'",
        ),
    ],
)
def test_production_does_not_start_when_it_would_not_be_safe(
    tmp_path: Path, variables: dict[str, str], refused: str
) -> None:
    environment = {"PATH": os.environ["PATH"], "PRODUCTION": "1", "DATA_DIR": str(tmp_path)} | variables
    done = subprocess.run(
        [sys.executable, "-c", "import annotation.settings"],
        cwd=ROOT,
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )
    assert (done.returncode, done.stderr.splitlines()[-1].split(": ", 1)[1]) == (1, refused)
