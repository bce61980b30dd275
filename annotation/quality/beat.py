"""What this app has beat do."""

ENTRIES = {"quality: checks": ("annotation.quality.tasks.raise_flags", 600.0)}
