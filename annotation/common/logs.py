"""What is left out of the logs."""

import logging


class LeaveOutReadiness(logging.Filter):
    """A site that is not ready yet says so to whoever asks; its log need not repeat that each time."""

    def filter(self, record: logging.LogRecord) -> bool:
        return getattr(getattr(record, "request", None), "path_info", "") != "/readyz"
