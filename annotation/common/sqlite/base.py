"""SQLite for many threads. It lets one write at a time and keeps no line: who finds it taken sleeps and looks again,
and of hundreds most sleep through their chance. Here the threads of a process stand in line before they ask for it, so
that only processes meet there."""

import threading

from django.db.backends.sqlite3 import base

_turn = threading.Lock()


class DatabaseWrapper(base.DatabaseWrapper):
    """A connection whose transactions wait for their turn, as long as SQLite would have made them wait; after that
    SQLite itself may decide."""

    _has_turn = False

    def _start_transaction_under_autocommit(self) -> None:
        self._has_turn = _turn.acquire(timeout=self.settings_dict["OPTIONS"].get("timeout", 5))
        try:
            super()._start_transaction_under_autocommit()  # type: ignore[misc]  # not in the stubs
        except BaseException:
            self._let_next()
            raise

    def _commit(self) -> None:
        try:
            super()._commit()  # type: ignore[misc]  # not in the stubs
        finally:
            self._let_next()

    def _rollback(self) -> None:
        try:
            super()._rollback()  # type: ignore[misc]  # not in the stubs
        finally:
            self._let_next()

    def _close(self) -> None:
        try:
            super()._close()  # type: ignore[misc]  # not in the stubs
        finally:
            self._let_next()

    def _let_next(self) -> None:
        if self._has_turn:
            self._has_turn = False
            _turn.release()
