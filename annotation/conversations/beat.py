"""What this app has beat do."""

ENTRIES = {
    "taking up generations that were left lying": ("annotation.conversations.tasks.sweep_generations", 5.0),
    "pruning of turn logs": ("annotation.conversations.tasks.prune_turn_logs", 1800.0),
}
