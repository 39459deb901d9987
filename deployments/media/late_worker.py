"""The worker of a Media replica, made with the first call or a moment after the replica.

Flows in: settings. Flows out: the worker, once it has started; its figures. Imports no Ray, and
what the worker needs only when it is made.
"""

import asyncio
import contextlib
from collections.abc import Iterable
from importlib import import_module
from typing import TYPE_CHECKING

from cluster.metrics.series import Reading
from cluster.runtime.clock import SystemClock
from cluster.runtime.settings import Settings
from deployments.media.config import MediaConfig

if TYPE_CHECKING:
    from deployments.media.worker import MediaWorker
    from deployments.speech.engine import SpeechEngine

START_DELAY_S = 3.0  # stages that requests wait for start first


class LateMediaWorker:
    """Create it on the loop that serves; `close` it there."""

    def __init__(self, settings: Settings, config: MediaConfig) -> None:
        self._settings = settings
        self._config = config
        self._wanted = asyncio.Event()
        self._engine: SpeechEngine | None = None
        self._starting = asyncio.create_task(self._start(), name="media-worker")

    async def started(self) -> "MediaWorker":
        """Raises what kept it from starting."""
        self._wanted.set()
        return await asyncio.shield(self._starting)

    def check(self) -> None:
        """Raises what kept it from starting."""
        if self._starting.done():
            self._starting.result()

    def read_metrics(self) -> Iterable[Reading]:
        """Nothing before it has started."""
        starting = self._starting
        if not starting.done() or starting.cancelled() or starting.exception() is not None:
            return ()
        return starting.result().read_metrics()

    async def close(self) -> None:
        self._starting.cancel()
        with contextlib.suppress(asyncio.CancelledError, Exception):
            await (await self._starting).close()
        if self._engine is not None:
            await self._engine.close()

    async def _start(self) -> "MediaWorker":
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(START_DELAY_S):
                await self._wanted.wait()
        # In a thread: on a busy machine the imports take longer than health checks wait.
        await asyncio.to_thread(import_module, "deployments.media.worker")
        from deployments.media.worker import MediaWorker
        from deployments.speech.engine import SpeechEngine

        self._engine = SpeechEngine(self._config.speech, self._settings.home)
        worker = MediaWorker(self._settings, self._config, self._engine, SystemClock())
        await worker.start()
        return worker
