"""The leases of all attempts that this process works on, kept with one query: who looks first looks for all."""

import threading
import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import datetime, timedelta
from time import monotonic

from annotation.common.connections import let_go
from annotation.items.models import Generation
from annotation.items.services.generations import still_running

LEASE = timedelta(seconds=15)
RENEW_EVERY = 4.0
# how often it is looked whether answers are still wanted
LOOK_EVERY = 1.0


class Keeper:
    """One a process. `monotonic` is given by tests."""

    def __init__(self, clock: Callable[[], float] = monotonic) -> None:
        self._clock = clock
        self._lock = threading.Lock()
        self._held: set[uuid.UUID] = set()
        self._gone: set[uuid.UUID] = set()
        self._looked_at = self._renewed_at = clock()

    @contextmanager
    def holding(self, generation: Generation) -> Iterator[None]:
        """While a job works on an attempt, its lease is kept with the others."""
        with self._lock:
            self._held.add(generation.pk)
        try:
            yield
        finally:
            with self._lock:
                self._held.discard(generation.pk)
                self._gone.discard(generation.pk)

    def keeps(self, generation: Generation, now: datetime) -> bool:
        """`False`: the attempt was taken over or cancelled, its job must stop. Every job asks once in a while, and the
        first for whom it is time looks for all."""
        with self._lock:
            moment = self._clock()
            if moment - self._looked_at >= LOOK_EVERY:
                self._looked_at = moment
                renewing = moment - self._renewed_at >= RENEW_EVERY
                self._gone = self._held - still_running(self._held, lease_until=now + LEASE if renewing else None)
                self._renewed_at = moment if renewing else self._renewed_at
                let_go()
            return generation.pk not in self._gone


keeper = Keeper()
