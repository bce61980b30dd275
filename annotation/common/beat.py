"""What this app has beat do."""

from annotation.common.health import QUEUES

ENTRIES = {
    f"heartbeat of {queue} workers": (
        "annotation.common.tasks.heartbeat",
        5.0,
        {"queue": queue, "args": (queue,)},
    )
    for queue in QUEUES
}
