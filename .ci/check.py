"""`make check`: everything that can be said about the code without running the site. Says all that is wrong, not only
the first."""

import os
import subprocess
import sys
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
BIN = Path(sys.executable).parent
# an installation as it is in production, so that `check --deploy` looks at what people will really run
PRODUCTION = {
    "PRODUCTION": "1",
    "SECRET_KEY": "only-for-this-check-0123456789-abcdefghijklmnopqrstuvwxyz-ABCDEFG",
    "ALLOWED_HOSTS": "study.example.org",
    "DATA_DIR": str(ROOT / "var" / "check"),
}
PYTHON = str(BIN / "python")
CHECKS: list[tuple[str, list[str], dict[str, str]]] = [
    ("ruff", [str(BIN / "ruff"), "check", "--quiet", "."], {}),
    ("format", [str(BIN / "ruff"), "format", "--quiet", "--check", "."], {}),
    ("imports", [str(BIN / "lint-imports"), "--no-cache"], {}),
    ("types", [str(BIN / "mypy"), "--no-error-summary", "annotation", "models_serving"], {}),
    ("templates", [str(BIN / "djade"), "--check", "--target-version", "5.2"], {}),
    ("migrations", [PYTHON, "manage.py", "makemigrations", "--check", "--dry-run"], {}),
    ("deployment", [PYTHON, "manage.py", "check", "--deploy", "--fail-level", "WARNING"], PRODUCTION),
]


def main() -> int:
    templates = sorted(str(path) for path in (ROOT / "templates").rglob("*.html"))
    failed = []
    for name, command, environment in CHECKS:
        began = time.monotonic()
        wanted = [*command, *templates] if name == "templates" else command
        done = subprocess.run(
            wanted, cwd=ROOT, env=os.environ | environment, capture_output=True, text=True, check=False
        )
        print(f"{'ok  ' if done.returncode == 0 else 'FAIL'}  {name:<12} {time.monotonic() - began:5.1f} s", flush=True)
        if done.returncode:
            failed.append(name)
            print(done.stdout + done.stderr, flush=True)
    print(f"make check: {'failed: ' + ', '.join(failed) if failed else 'all good'}")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
