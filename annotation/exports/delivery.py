"""A release into somebody's folder, for the command line."""

import json
import shutil
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from django.conf import settings

from annotation.common.errors import DomainError, NotFoundError
from annotation.exports.models import ExportRun
from annotation.exports.release import MANIFEST
from annotation.exports.services import Clock, request_export, run_export
from annotation.studies.models import Study


def export_to(
    folder: Path,
    *,
    slug: str,
    layout: str = "",
    writers: Sequence[str],
    rehearsal: bool,
    now: Clock,
    study_locales: Path | None = None,
    options: Mapping[str, Any] | None = None,
) -> dict[str, Any]:
    """Make a release of the study and copy it into a new or empty folder; its manifest. Nothing is copied where the
    release fails. Without a layout it is the first that the study's document names."""
    if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
        raise DomainError(f"{folder} is there and not empty.", field="out")
    study = Study.objects.filter(slug=slug).first()
    if study is None:
        raise NotFoundError(f"There is no study {slug}.")
    locales = json.loads(study_locales.read_text(encoding="utf-8")) if study_locales else {}
    run = request_export(
        study=study,
        layout=layout or _first_layout(study),
        writers=writers,
        rehearsal=rehearsal,
        options={**(options or {}), **({"study_locales": locales} if locales else {})},
        now=now(),
        enqueue=False,
    )
    run_export(run.pk, now=now)
    run.refresh_from_db()
    if run.state != ExportRun.State.DONE:
        raise DomainError(run.error or f"The export is {run.state}.")
    _copy(settings.EXPORTS_DIR / run.folder, folder)
    manifest: dict[str, Any] = json.loads((folder / MANIFEST).read_text(encoding="utf-8"))
    return manifest


def _first_layout(study: Study) -> str:
    export = study.current.document.get("export", {}) if study.current else {}
    return str(next(iter(export.get("layouts", ())), "prism"))


def _copy(source: Path, folder: Path) -> None:
    """Beside the target first, so that a half copy never stands under its name."""
    folder.parent.mkdir(parents=True, exist_ok=True)
    beside = folder.with_name(f".{folder.name}.partial")
    shutil.rmtree(beside, ignore_errors=True)
    shutil.copytree(source, beside)
    if folder.exists():
        folder.rmdir()
    beside.rename(folder)
