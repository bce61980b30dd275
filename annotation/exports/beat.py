"""What beat runs for exports."""

ENTRIES = {"exports: start what is due": ("annotation.exports.tasks.start_due", 60)}
