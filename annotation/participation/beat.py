"""What is done again and again."""

ENTRIES = {
    "give back the seats of people who left": ("annotation.participation.tasks.release_stale_seats", 600.0),
    "erase identities whose time is over": ("annotation.participation.tasks.erase_expired_identities", 86_400.0),
}
