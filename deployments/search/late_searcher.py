"""The searcher of a shard, made with the first call or a moment after the replica.

Flows in: settings. Flows out: the searcher, once it has started; its figures. Imports no Ray, and
what the searcher needs only when it is made.
"""

import asyncio
import contextlib
from collections.abc import Iterable
from importlib import import_module
from typing import TYPE_CHECKING

from cluster.metrics.series import Reading
from cluster.runtime.settings import Settings
from cluster.secrets.key_files import store_url
from cluster.storage.database import Database
from deployments.search.config import SearchConfig

if TYPE_CHECKING:
    from deployments.search.searcher import CollectionSearcher

FOLDER = "search"  # of snapshots, in the home
START_DELAY_S = 3.0  # stages that requests wait for start first


class LateSearcher:
    """Create it on the loop that serves; `close` it there."""

    def __init__(self, settings: Settings, config: SearchConfig) -> None:
        self._settings = settings
        self._config = config
        self._database: Database | None = None
        self._wanted = asyncio.Event()
        self._starting = asyncio.create_task(self._start(), name="search-start")

    async def started(self) -> "CollectionSearcher":
        """Raises what kept it from starting."""
        self._wanted.set()
        return await asyncio.shield(self._starting)

    def check(self) -> None:
        """Raises what kept it from starting."""
        if self._starting.done():
            self._starting.result()

    @property
    def open_searches(self) -> int:
        searcher = self._searcher()
        return 0 if searcher is None else searcher.figures.open_searches

    def read_metrics(self) -> Iterable[Reading]:
        """Nothing before it has started."""
        searcher, database = self._searcher(), self._database
        if searcher is None or database is None:
            return ()
        return [*searcher.read_metrics(), *database.read_metrics()]

    async def close(self) -> None:
        self._starting.cancel()
        with contextlib.suppress(asyncio.CancelledError, Exception):
            await (await self._starting).close()
        if self._database is not None:
            await self._database.close()

    def _searcher(self) -> "CollectionSearcher | None":
        starting = self._starting
        if not starting.done() or starting.cancelled() or starting.exception() is not None:
            return None
        return starting.result()

    async def _start(self) -> "CollectionSearcher":
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(START_DELAY_S):
                await self._wanted.wait()
        # In a thread: on a busy machine the imports take longer than health checks wait.
        await asyncio.to_thread(import_module, "deployments.search.searcher")
        from deployments.search.searcher import CollectionSearcher

        self._database = Database(store_url(self._settings.home, self._settings))
        folder = self._settings.home / FOLDER
        searcher = CollectionSearcher(self._database, self._config.memory_bytes, folder)
        searcher.sweeper.start()
        return searcher
