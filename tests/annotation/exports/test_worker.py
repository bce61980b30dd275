"""A release asked for on the site is built by a worker, through the real broker."""

from pathlib import Path

from django.utils import timezone

from annotation.exports.models import ExportRun
from annotation.exports.services import request_export
from tests.annotation.exports.conftest import records
from tests.conftest import LiveSite
from tests.factories import prism_rows
from tests.live import wait_until


def test_a_worker_builds_what_was_asked_for(live_site: LiveSite, exports_dir: Path) -> None:
    study = prism_rows.prism_study()
    prism_rows.person(study, talks=("unguided",))

    run = request_export(study=study, layout="prism", writers=["jsonl"], now=timezone.now())

    wait_until("the release is finished", lambda: ExportRun.objects.get(pk=run.pk).state in ExportRun.FINISHED)
    run.refresh_from_db()
    assert (run.state, run.error, run.manifest["people"]) == ("done", "", 1)
    # the worker is a process of its own, with the folder of the settings
    folder = Path(run.folder)
    assert folder.parts[0] == "prism"
    assert not (exports_dir / folder).exists()
    assert len(records(worker_exports() / folder, "conversations")) == 1


def worker_exports() -> Path:
    from tests import settings  # noqa: PLC0415 - as they were before this test's own folder

    return Path(settings.EXPORTS_DIR)
