"""What this app has beat do."""

from annotation.common.periodic import UPKEEP

ENTRIES = {
    "opening of places that are missing": ("annotation.assignments.tasks.open_missing_places", 30.0),
    "order of open places by what was judged": ("annotation.assignments.tasks.refresh_keys", 30.0),
    "opening of places whose lease ran out": ("annotation.assignments.tasks.expire_overdue_places", 60.0, UPKEEP),
    "opening of places of people who withdrew": ("annotation.assignments.tasks.reopen_withdrawn", 60.0),
}
