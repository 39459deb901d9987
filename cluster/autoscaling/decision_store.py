"""The notebook of Serve's controller: decisions go to the relational store, bounds come from it.

Flows in: decisions of policies, which run in the controller's loop and must not wait for anything.
Flows out: rows of the store, and the bounds that operators have laid down. All talk with the store
is in a daemon thread with a loop of its own, which starts when the notebook is first used in a
process. While the store is away the last known bounds hold and decisions wait in a bounded buffer.
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

EVERY_S = 1.0
PATIENCE_S = 5.0  # a store that does not answer for so long is away
WAITING = 10_000  # decisions that wait for the store at most; the oldest are dropped
BATCH = 500
REPEAT_S = 3_600.0  # the same refusal is written down once in so long
KEEP_S = 30 * 86_400.0
KEEP = 10_000  # decisions of a deployment
TIDY_S = 3_600.0
NONE = Bounds()
Row = Mapping[str, Any]

logger = logging.getLogger("mobula.autoscaling")


class SqlDecisionStore:
    """A Notebook over the store at `url`. What it is pickled to opens the store anew, by the
    settings of the process that it comes to: no secret travels.

    `dropped` counts decisions that found no room or were none, `failures` rounds in which the store
    did not answer.
    """

    def __init__(
        self, url: str, clock: Clock, every_s: float = EVERY_S, waiting: int = WAITING
    ) -> None:
        self.dropped = self.failures = self.written = 0
        self._url, self._clock, self._every_s, self._most = url, clock, every_s, waiting
        self._waiting: deque[Row] = deque()
        self._refused: dict[tuple[str, str], Decision] = {}
        self._known: Mapping[str, Bounds] = {}
        self._tidied = clock.monotonic() - TIDY_S
        self._lock, self._pid = threading.Lock(), os.getpid()
        self._thread: threading.Thread | None = None
        self._ended = threading.Event()

    def __reduce__(self) -> tuple[object, ...]:
        return (_here, ())

    def record(self, decision: Decision) -> None:
        """Write the decision down before long."""
        try:
            if not self._is_repeated(decision):
                self._keep(store.row_of(secrets.token_hex(16), decision))
            self._run_in_background()
        except Exception:
            self.dropped += 1
            logger.exception("a scaling decision could not be noted")

    def bounds(self, deployment: str) -> Bounds:
        """Those that hold now, as far as is known; a second old while the store answers."""
        self._run_in_background()
        found = self._known.get(deployment, NONE)
        return found if found.is_active(self._clock.wall()) else NONE

    async def sync_once(self, database: Database) -> None:
        """One round: read the bounds, write what waits. Raises what the store raises."""
        async with database.read() as connection:
            laid = await store.bounds(connection)
        self._known = {each.deployment: each.bounds for each in laid}
        while batch := self._batch():
            await self._write(database, batch)
        await self._tidy(database)

    def close(self) -> None:
        """End the thread after one more round; for those who want to see the end of it."""
        self._ended.set()
        if self._thread is not None:
            self._thread.join(PATIENCE_S * 2)

    def _is_repeated(self, decision: Decision) -> bool:
        """Policies run ten times a second: of one refusal after the other, the first says all."""
        if decision.target != decision.before:
            return False
        which = (decision.deployment, decision.bound)
        last = self._refused.get(which)
        if last and last.target == decision.target and 0 <= decision.at - last.at < REPEAT_S:
            return True
        self._refused[which] = decision
        return False

    def _keep(self, *rows: Row, again: bool = False) -> None:
        """The oldest give way: new rows come last, those that were taken before come first."""
        with self._lock:
            if again:
                self._waiting.extendleft(reversed(rows))
            else:
                self._waiting.extend(rows)
            while len(self._waiting) > self._most:
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
            self._keep(*batch, again=True)
            raise
        self.written += len(batch)

    async def _tidy(self, database: Database) -> None:
        if self._clock.monotonic() - self._tidied < TIDY_S:
            return
        async with database.begin() as connection:
            await store.prune(connection, self._clock.wall() - KEEP_S, KEEP)
        self._tidied = self._clock.monotonic()

    def _run_in_background(self) -> None:
        """A thread does not survive a fork, and may not be had: then the next call tries again."""
        if self._pid != os.getpid():
            self._lock, self._pid, self._thread = threading.Lock(), os.getpid(), None
        if self._ended.is_set() or (self._thread is not None and self._thread.is_alive()):
            return
        with suppress(RuntimeError):
            thread = threading.Thread(target=self._live, name="scaling-notebook", daemon=True)
            thread.start()
            self._thread = thread

    def _live(self) -> None:
        try:
            asyncio.run(self._rounds())
        except Exception:
            logger.exception("the notebook's thread ended; the next call starts another")

    async def _rounds(self) -> None:
        database: Database | None = None
        while True:
            last = self._ended.is_set()
            database = await self._round(database)
            if last:
                break
            await asyncio.sleep(self._every_s)
        if database is not None:
            await database.close()

    async def _round(self, database: Database | None) -> Database | None:
        try:
            database = database or Database(self._url)
            async with asyncio.timeout(PATIENCE_S):
                await self.sync_once(database)
        except Exception as error:  # noqa: BLE001 - whatever it is, policies go on
            if not self.failures:
                logger.warning("scaling decisions wait, the store does not answer: %s", error)
            self.failures += 1
        return database


_open: dict[str, SqlDecisionStore] = {}


def open_notebook(settings: Settings) -> SqlDecisionStore:
    """This process's notebook of the store that the settings name: the same for all its policies.
    Touches neither store nor thread until it is used."""
    url = store_url(settings.home, settings)
    return _open.setdefault(url, SqlDecisionStore(url, SystemClock()))


def _here() -> SqlDecisionStore:
    return open_notebook(Settings())
