"""Rules that hold for the whole repository and that no tool checks for us."""

import os
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

ROOT = Path(__file__).resolve().parent.parent
PACKAGES = ("annotation", "models_serving")
REFUSED_NAMES = {"utils.py", "helpers.py", "managers.py", "mixins.py", "signals.py"}
# a comment to a tool ends with why it is there
SILENCER = re.compile(r"#\s*(noqa|type: ignore)(?P<rest>.*)$")
REASONED = re.compile(r"^(: [A-Z0-9, ]+ - \S.*|\[[a-z-, ]+\]\s+#\s*\S.*)$")
INLINE_STYLE = re.compile(r"<style|\sstyle\s*=", re.IGNORECASE)
INLINE_SCRIPT = re.compile(r"<script(?![^>]*\ssrc=)|\son[a-z]+\s*=\s*[\"']|javascript:", re.IGNORECASE)
LOADED = re.compile(
    r"<(?:script|link|img|iframe|source|video|audio)\b[^>]*?(?:src|href)\s*=\s*[\"'](?:https?:)?//", re.IGNORECASE
)
LOADED_BY_STYLE = re.compile(r"(?:url\(\s*[\"']?|@import\s+[\"'])(?:https?:)?//", re.IGNORECASE)


def python_files() -> Iterator[Path]:
    for package in PACKAGES:
        yield from (path for path in (ROOT / package).rglob("*.py") if "migrations" not in path.parts)


def templates() -> list[Path]:
    found = sorted((ROOT / "templates").rglob("*.html"))
    assert len(found) > 10
    return found


def named(path: Path) -> str:
    return path.relative_to(ROOT).as_posix()


def test_files_stay_small_enough_to_be_read_at_once() -> None:
    long = [
        f"{named(path)}: {lines}" for path in python_files() if (lines := len(path.read_text().splitlines())) >= 400
    ]
    assert long == []


def test_no_file_has_a_name_that_says_nothing() -> None:
    assert [named(path) for path in python_files() if path.name in REFUSED_NAMES] == []


def test_every_silenced_check_says_why() -> None:
    silent = [
        f"{named(path)}:{number}"
        for path in [*python_files(), *(ROOT / "tests").rglob("*.py")]
        for number, line in enumerate(path.read_text().splitlines(), 1)
        if (found := SILENCER.search(line)) and not REASONED.match(found["rest"])
    ]
    assert silent == []


@pytest.mark.parametrize(
    ("rule", "pattern"),
    [("style", INLINE_STYLE), ("script", INLINE_SCRIPT), ("outside address", LOADED)],
    ids=["style", "script", "outside address"],
)
def test_no_template_has_an_inline(rule: str, pattern: re.Pattern[str]) -> None:
    assert [f"{named(path)}: {found[0]}" for path in templates() if (found := pattern.search(path.read_text()))] == []


@pytest.mark.parametrize(
    ("pattern", "text"),
    [
        (INLINE_STYLE, '<p class="a" style="color:red">'),
        (INLINE_STYLE, "<style>p{}</style>"),
        (INLINE_SCRIPT, '<script type="module">go()</script>'),
        (INLINE_SCRIPT, '<button onclick="go()">'),
        (INLINE_SCRIPT, '<a href="javascript:go()">'),
        (LOADED, '<script defer src="https://cdn.example/x.js"></script>'),
        (LOADED, '<link rel="stylesheet" href="//cdn.example/x.css">'),
        (LOADED_BY_STYLE, '@import "https://cdn.example/x.css"'),
        (LOADED_BY_STYLE, "url(//cdn.example/x.woff2)"),
    ],
)
def test_the_rules_about_templates_find_what_they_look_for(pattern: re.Pattern[str], text: str) -> None:
    assert pattern.search(text)


def test_no_style_sheet_or_script_of_ours_loads_from_outside() -> None:
    ours = [*(ROOT / "static").rglob("*.css"), *(ROOT / "static").rglob("*.js")]
    assert len(ours) > 10
    loading = re.compile(rf"{LOADED_BY_STYLE.pattern}|(?:import|from|fetch\()\s*[\"'](?:https?:)?//")
    assert [named(path) for path in ours if loading.search(path.read_text(encoding="utf-8"))] == []


def test_vendored_scripts_name_no_source_map() -> None:
    vendored = [*(ROOT / "static" / "vendor").rglob("*.js"), *(ROOT / "static" / "vendor").rglob("*.css")]
    assert [named(path) for path in vendored if "sourceMappingURL" in path.read_text(encoding="utf-8")] == []


def test_no_torch_can_be_reached_from_a_web_process() -> None:
    script = (
        "import sys, django; django.setup()\n"
        "from django.urls import get_resolver; get_resolver().reverse_dict\n"
        "from django.core.management import call_command; call_command('check')\n"
        "from celery import current_app; current_app.loader.import_default_modules()\n"
        "import annotation.asgi\n"
        "print(sorted({'torch', 'transformers', 'tokenizers', 'safetensors'} & set(sys.modules)))"
    )
    done = run_python(script)
    assert (done.stdout.splitlines()[-1], done.returncode) == ("[]", 0)


def test_the_side_of_the_models_needs_no_django() -> None:
    done = run_python("import sys, models_serving.client, models_serving.backends; print('django' in sys.modules)")
    assert (done.stdout, done.returncode) == ("False\n", 0)


def run_python(script: str) -> subprocess.CompletedProcess[str]:
    environment = os.environ | {"DJANGO_SETTINGS_MODULE": "annotation.settings"}
    return subprocess.run(
        [sys.executable, "-c", script], cwd=ROOT, env=environment, capture_output=True, text=True, check=False
    )


def test_the_readme_explains_every_variable_that_is_read() -> None:
    read = set()
    for path in (ROOT / "annotation" / "settings.py", *(ROOT / "models_serving").rglob("*.py")):
        read |= set(re.findall(r"(?:read_\w+|db_url|environ\.get)\(\s*\"([A-Z_]+)\"", path.read_text()))
        read |= set(re.findall(r"_(?:KEY_)?ENV = \"([A-Z_]+)\"", path.read_text()))
    assert {"DATA_DIR", "PORT", "DATABASE_URL", "MODELS", "SECRET_KEY"} <= read
    assert sorted(read - explained_settings()) == []


def explained_settings() -> set[str]:
    return set(re.findall(r"^\| `([A-Z_]+)` \|", (ROOT / "README.md").read_text(), re.MULTILINE))


def test_the_readme_shows_every_app_and_every_top_folder() -> None:
    tree = (ROOT / "README.md").read_text().split("```text\n")[1].split("```")[0]
    apps = [path.parent.name for path in (ROOT / "annotation").glob("*/apps.py")]
    folders = ["annotation", "models_serving", "templates", "static", "docker", "tests"]
    assert [name for name in [*apps, *folders] if f"{name}/" not in tree] == []


def tracked() -> list[Path]:
    listed = subprocess.run(["git", "ls-files", "-z"], cwd=ROOT, capture_output=True, text=True, check=True).stdout
    return [ROOT / name for name in listed.split("\0") if name]


def test_no_secret_and_no_weights_in_other_formats_than_safetensors_are_in_the_repository() -> None:
    refused = {".pem", ".key", ".env", ".sqlite3", ".pkl", ".pickle", ".pt", ".pth", ".bin"}
    assert [named(path) for path in tracked() if path.suffix in refused] == []


# ---- the scaled mode, as far as it can be looked at without running it ---------------------------------------------
def compose() -> dict[str, Any]:
    loaded: dict[str, Any] = yaml.safe_load((ROOT / "docker" / "compose.yml").read_text())
    return loaded


def test_everything_that_an_image_copies_is_there() -> None:
    for name in ("web.Dockerfile", "serving.Dockerfile"):
        sources = [
            source
            for line in (ROOT / "docker" / name).read_text().splitlines()
            if line.startswith("COPY ") and "--from" not in line
            for source in line.split()[1:-1]
            if not source.startswith("--")
        ]
        assert sources
        assert [source for source in sources if not (ROOT / source).exists()] == []


def test_the_web_image_installs_no_torch_and_the_serving_image_no_django() -> None:
    web = (ROOT / "docker" / "web.Dockerfile").read_text()
    serving = (ROOT / "docker" / "serving.Dockerfile").read_text()
    assert ("[runtime]" in web, "[serving]" in serving) == (True, True)
    assert ("serving]" in web, "runtime" in serving, "COPY annotation" in serving) == (False, False, False)


def test_compose_starts_each_part_and_builds_from_files_that_exist() -> None:
    services = compose()["services"]
    workers = ["beat", "generation", "upkeep", "worker"]
    assert sorted(services) == sorted([*workers, "demo", "migrate", "models", "postgres", "redis", "web"])
    files = {service["build"]["dockerfile"] for service in services.values() if "build" in service}
    assert files == {"docker/web.Dockerfile", "docker/serving.Dockerfile"}
    unasked = sorted(name for name, service in services.items() if "healthcheck" not in service)
    assert unasked == sorted([*workers, "demo", "migrate"])


def test_compose_has_no_password_of_its_own() -> None:
    variables = [pair for service in compose()["services"].values() for pair in service.get("environment", {}).items()]
    secret = {name: value for name, value in variables if re.search("PASSWORD|SECRET|DATABASE_URL", name)}
    assert sorted(secret) == ["DATABASE_URL", "POSTGRES_PASSWORD", "SECRET_KEY"]
    # ":?" refuses to start without the variable, ":-" would put something in its place
    assert [name for name, value in secret.items() if ":?" not in value or ":-" in value] == []


def test_compose_passes_every_setting_on_that_it_does_not_decide() -> None:
    decided = {"DATA_DIR", "HOST", "PORT", "MODEL_SERVER_PORT", "STATICFILES_BACKEND", "DEBUG"}
    decided |= {"SECRET_KEY_FILE", "CELERY_TASK_ALWAYS_EAGER"}
    passed = set(compose()["services"]["web"]["environment"])
    assert sorted(explained_settings() - decided - passed) == []
