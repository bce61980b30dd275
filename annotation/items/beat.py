"""What this app has beat do."""

ENTRIES = {"taking up jobs over item sets that were left lying": ("annotation.items.tasks.sweep_jobs", 15.0)}
