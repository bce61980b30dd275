"""What this app has beat do."""

from annotation.common.periodic import UPKEEP

ENTRIES = {
    "taking up generations that were left lying": ("annotation.conversations.tasks.sweep_generations", 5.0, UPKEEP),
    "pruning of turn logs": ("annotation.conversations.tasks.prune_turn_logs", 1800.0),
}
