"""The database connection of whoever waits for long."""

from django.db import connection


def let_go() -> None:
    """Close it, or give it back to the pool: it must not wait with somebody. The next query opens one."""
    if not connection.in_atomic_block:
        connection.close()
