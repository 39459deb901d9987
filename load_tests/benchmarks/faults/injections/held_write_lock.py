"""A SQLite database whose writers wait for one that takes long.

In: the database's file. Out: its write lock is held for most of the time, so every write takes up
to `hold_s` longer; reads are not affected.
"""

import sqlite3
from pathlib import Path

from load_tests.benchmarks.faults.injections.background_thread import BackgroundThread

HOLD_S, FREE_S = 2.5, 0.25
BUSY_S = 5.0


class HeldWriteLock(BackgroundThread):
    """Use as a context manager."""

    def __init__(self, file: Path, hold_s: float = HOLD_S, free_s: float = FREE_S) -> None:
        self._file, self._hold_s, self._free_s = file, hold_s, free_s
        super().__init__()

    def _run(self) -> None:
        connection = sqlite3.connect(self._file, timeout=BUSY_S, isolation_level=None)
        try:
            while not self._over.is_set():
                connection.execute("BEGIN IMMEDIATE")
                self._over.wait(self._hold_s)
                connection.execute("ROLLBACK")
                self._over.wait(self._free_s)
        finally:
            connection.close()
