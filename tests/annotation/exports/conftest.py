"""Releases of tests lie in a folder of the test, and are made the way the command line makes them."""

import json
from collections.abc import Callable
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest

from annotation.exports.delivery import export_to
from tests.factories.prism_rows import CUT_OFF

Export = Callable[..., Path]


@pytest.fixture(autouse=True)
def exports_dir(settings: Any, tmp_path: Path) -> Path:
    settings.EXPORTS_DIR = tmp_path / "exports"
    return tmp_path / "exports"


@pytest.fixture
def export(db: None, tmp_path: Path) -> Export:
    """Export a study into a folder of that name and give the folder."""

    def export_study(
        name: str,
        slug: str = "prism",
        *,
        at: datetime = CUT_OFF,
        writers: str = "jsonl",
        layout: str = "prism",
        **more: Any,
    ) -> Path:
        folder = tmp_path / name
        asked = {"rehearsal": False} | more
        export_to(folder, slug=slug, layout=layout, writers=writers.split(","), now=lambda: at, **asked)
        return folder

    return export_study


def records(folder: Path, table: str) -> list[dict[str, Any]]:
    return [json.loads(line) for line in (folder / f"{table}.jsonl").read_text(encoding="utf-8").split("\n") if line]
