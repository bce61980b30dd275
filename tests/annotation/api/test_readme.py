"""What the README says of the API works as it stands there."""

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from annotation.judgements.models import Judgement
from tests.factories import comparisons, tokens
from tests.live import ROOT


@pytest.fixture
def site(transactional_db: None, _web: str) -> str:
    return _web


def test_the_judge_of_the_readme_judges_until_nothing_is_left(site: str, tmp_path: Path) -> None:
    made = comparisons.comparing(items=3, step={"overlap": 1})
    secret = tokens.token(tokens.researcher(made), "judge", study=made)[1]
    programs = re.findall(r"```python\n(.*?)```", (ROOT / "README.md").read_text(), re.DOTALL)
    (code,) = [program for program in programs if "assignments/lease/" in program]
    script = tmp_path / "judge.py"
    script.write_text(code)
    environment = os.environ | {"TOKEN": secret, "API": f"{site}/api/v1/"}
    done = subprocess.run([sys.executable, script], env=environment, capture_output=True, text=True, check=True)
    assert sorted(done.stdout.split()) == sorted(row.receipt for row in Judgement.objects.all())
    assert {row.timings["report"]["model"] for row in Judgement.objects.all()} == {"my-judge-1"}
    assert Judgement.objects.count() == 3
