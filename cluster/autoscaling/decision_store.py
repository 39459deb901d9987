"""Decision store of Serve's controller: writes decisions to the database, reads bounds from it.

In: decisions of policies, which run in the controller's loop and must not block. Out: rows of the
database, and the operator's bounds. A daemon thread with its own event loop, started at first use,
does all database access. While the database is down the last known bounds apply and decisions wait
in a bounded buffer.
"""

import asyncio
import logging
import os
import secrets
import threading
from collections import deque
from collections.abc import Mapping
from contextlib import suppress
from typing import Any

from cluster.autoscaling import store
from cluster.autoscaling.decision import Bounds, Decision
from cluster.runtime.clock import Clock, SystemClock
from cluster.runtime.settings import Settings
from cluster.secrets.key_files import store_url
from cluster.storage.database import Database

INTERVAL_S = 1.0
TIMEOUT_S = 5.0  # timeout of a round
MAX_WAITING = 10_000  # waiting decisions; the oldest are dropped beyond that
BATCH = 500
REPEAT_S = 3_600.0  # an unchanged decision is stored once in this time
RETENTION_S = 30 * 86_400.0
MAX_PER_DEPLOYMENT = 10_000  # decisions of a deployment
PRUNE_INTERVAL_S = 3_600.0
NO_BOUNDS = Bounds()
Row = Mapping[str, Any]

logger = logging.getLogger("mobula.autoscaling")


class SqlDecisionStore:
    """A DecisionStore over the database at `url`. It unpickles to the store of the receiving
    process's settings, so that no secret is pickled.

    `dropped` counts decisions that did not fit or were invalid, `failures` rounds in which the
    database did not answer.
    """

    def __init__(
        self, url: str, clock: Clock, every_s: float = INTERVAL_S, waiting: int = MAX_WAITING
    ) -> None:
        self.dropped = self.failures = self.written = 0
        self._url, self._clock, self._every_s, self._max_waiting = url, clock, every_s, waiting
        self._waiting: deque[Row] = deque()
        self._last_unchanged: dict[tuple[str, str], Decision] = {}
        self._bounds: Mapping[str, Bounds] = {}
        self._pruned_at = clock.monotonic() - PRUNE_INTERVAL_S
        self._lock, self._pid = threading.Lock(), os.getpid()
        self._thread: threading.Thread | None = None
        self._ended = threading.Event()

    def __reduce__(self) -> tuple[object, ...]:
        return (_open_here, ())

    def record(self, decision: Decision) -> None:
        """Enqueues the decision to be written by the next round."""
        try:
            if not self._is_repeated(decision):
                self._enqueue(store.to_row(secrets.token_hex(16), decision))
            self._run_in_background()
        except Exception:
            self.dropped += 1
            logger.exception("a scaling decision could not be recorded")

    def bounds(self, deployment: str) -> Bounds:
        """The active bounds; up to a second old while the database answers."""
        self._run_in_background()
        bounds = self._bounds.get(deployment, NO_BOUNDS)
        return bounds if bounds.is_active(self._clock.wall()) else NO_BOUNDS

    async def sync_once(self, database: Database) -> None:
        """One round: reads bounds, writes waiting decisions. Raises the database's exceptions."""
        async with database.read() as connection:
            overrides = await store.bounds(connection)
        self._bounds = {override.deployment: override.bounds for override in overrides}
        while batch := self._batch():
            await self._write(database, batch)
        await self._prune(database)

    def close(self) -> None:
        """Ends the thread after one more round and waits for it."""
        self._ended.set()
        if self._thread is not None:
            self._thread.join(TIMEOUT_S * 2)

    def _is_repeated(self, decision: Decision) -> bool:
        """Whether it repeats an unchanged decision, as policies run ten times a second."""
        if decision.target != decision.before:
            return False
        key = (decision.deployment, decision.bound)
        last = self._last_unchanged.get(key)
        if last and last.target == decision.target and 0 <= decision.at - last.at < REPEAT_S:
            return True
        self._last_unchanged[key] = decision
        return False

    def _enqueue(self, *rows: Row, again: bool = False) -> None:
        """Enqueues rows, at the front if `again`; drops the oldest beyond the limit."""
        with self._lock:
            if again:
                self._waiting.extendleft(reversed(rows))
            else:
                self._waiting.extend(rows)
            while len(self._waiting) > self._max_waiting:
                self._waiting.popleft()
                self.dropped += 1

    def _batch(self) -> list[Row]:
        with self._lock:
            return [self._waiting.popleft() for _ in range(min(BATCH, len(self._waiting)))]

    async def _write(self, database: Database, batch: list[Row]) -> None:
        try:
            async with database.begin() as connection:
                await store.write(connection, batch)
        except BaseException:
            self._enqueue(*batch, again=True)
            raise
        self.written += len(batch)

    async def _prune(self, database: Database) -> None:
        if self._clock.monotonic() - self._pruned_at < PRUNE_INTERVAL_S:
            return
        async with database.begin() as connection:
            await store.prune(connection, self._clock.wall() - RETENTION_S, MAX_PER_DEPLOYMENT)
        self._pruned_at = self._clock.monotonic()

    def _run_in_background(self) -> None:
        """Starts the thread if necessary, as after a fork; retried by the next call on failure."""
        if self._pid != os.getpid():
            self._lock, self._pid, self._thread = threading.Lock(), os.getpid(), None
        if self._ended.is_set() or (self._thread is not None and self._thread.is_alive()):
            return
        with suppress(RuntimeError):
            thread = threading.Thread(target=self._run_loop, name="scaling-decisions", daemon=True)
            thread.start()
            self._thread = thread

    def _run_loop(self) -> None:
        try:
            asyncio.run(self._sync_forever())
        except Exception:
            logger.exception("the decision store's thread failed; the next call restarts it")

    async def _sync_forever(self) -> None:
        database: Database | None = None
        while True:
            last = self._ended.is_set()
            database = await self._try_sync(database)
            if last:
                break
            await asyncio.sleep(self._every_s)
        if database is not None:
            await database.close()

    async def _try_sync(self, database: Database | None) -> Database | None:
        try:
            database = database or Database(self._url)
            async with asyncio.timeout(TIMEOUT_S):
                await self.sync_once(database)
        except Exception as error:  # noqa: BLE001 - policies continue after any error
            if not self.failures:
                logger.warning("scaling decisions wait, the database does not answer: %s", error)
            self.failures += 1
        return database


_stores: dict[str, SqlDecisionStore] = {}


def open_decision_store(settings: Settings) -> SqlDecisionStore:
    """This process's decision store for the configured database, shared by all policies. Opens no
    connection and no thread before its first use."""
    url = store_url(settings.home, settings)
    return _stores.setdefault(url, SqlDecisionStore(url, SystemClock()))


def _open_here() -> SqlDecisionStore:
    return open_decision_store(Settings())
