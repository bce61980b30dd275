"""The leases of all attempts that this process works on, kept with one query: who looks first looks for all."""

import threading
import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import datetime, timedelta
from time import monotonic

import structlog
from django.db import DatabaseError, connection

from annotation.common.connections import let_go
from annotation.items.models import Generation
from annotation.items.services.generations import still_running

LEASE = timedelta(seconds=15)
RENEW_EVERY = 4.0
# how often it is looked whether answers are still wanted
LOOK_EVERY = 1.0

log = structlog.get_logger(__name__)


class Keeper:
    """One a process. `monotonic` is given by tests."""

    def __init__(self, clock: Callable[[], float] = monotonic) -> None:
        self._clock = clock
        # never held while the database is asked: who begins or ends has a connection, and the one who looks needs one
        self._lock = threading.Lock()
        self._held: set[uuid.UUID] = set()
        self._gone: set[uuid.UUID] = set()
        self._looking = False
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
        first for whom it is time looks for all; nobody waits for it. Where the database does not answer, all go on:
        their leases tell whether they were missed."""
        with self._lock:
            moment = self._clock()
            mine = not self._looking and moment - self._looked_at >= LOOK_EVERY
            if mine:
                self._looking, self._looked_at = True, moment
        if mine:
            self._look(moment, now)
        with self._lock:
            return generation.pk not in self._gone

    def _look(self, moment: float, now: datetime) -> None:
        with self._lock:
            held, renewing = set(self._held), moment - self._renewed_at >= RENEW_EVERY
        try:
            # a pool may let wait for it, and a lease counts from when it is written
            connection.ensure_connection()
            until = now + timedelta(seconds=self._clock() - moment) + LEASE
            gone = held - still_running(held, lease_until=until if renewing else None)
        except DatabaseError as error:
            log.warning("leases_not_kept", error=type(error).__name__)
        else:
            with self._lock:
                self._gone = gone & self._held
                self._renewed_at = moment if renewing else self._renewed_at
        finally:
            let_go()
            with self._lock:
                self._looking = False


keeper = Keeper()
