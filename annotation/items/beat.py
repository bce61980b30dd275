"""What this app has beat do."""

from annotation.common.periodic import UPKEEP

ENTRIES = {
    "taking up jobs over item sets that were left lying": ("annotation.items.tasks.sweep_jobs", 15.0, UPKEEP),
    "import of files that documents name": ("annotation.items.tasks.import_missing_files", 300.0),
}
