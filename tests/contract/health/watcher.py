"""A check that runs as an ingress replica runs it, but more often."""

import asyncio
from collections.abc import Awaitable, Callable
from random import Random

from cluster.health.dependency import Dependency
from cluster.health.monitor import StateChange
from cluster.health.runner import HealthRunner
from cluster.health.state import CheckOutcome, DependencyState
from cluster.runtime.clock import SystemClock

INTERVAL_S, TIMEOUT_S = 0.05, 0.5
Check = Callable[[], Awaitable[CheckOutcome]]


class Watcher:
    """A runner of one check, fast enough for a test."""

    def __init__(self, check: Check) -> None:
        self.changes: list[StateChange] = []
        self._dependency = Dependency("it", "test", check, "", INTERVAL_S, TIMEOUT_S, slow_s=None)
        self._runner = HealthRunner(
            lambda: [self._dependency], SystemClock(), Random(), "r", "n", self.changes.append
        )

    async def __aenter__(self) -> "Watcher":
        self._runner.start()
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._runner.close()

    async def until(self, state: DependencyState) -> None:
        async with asyncio.timeout(20):
            while self._state() != state:  # noqa: ASYNC110
                await asyncio.sleep(0.01)

    def _state(self) -> str:
        dependencies = self._runner.report().dependencies
        return dependencies[0].state if dependencies else ""
