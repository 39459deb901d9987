"""Checks every dependency of a replica in the background, each at its own interval.

In: the dependencies, which may come and go. Out: this replica's report and figures, and changes of
state. Nothing is checked when a report is asked for.
"""

import asyncio
from collections.abc import Callable, Iterable, Mapping
from random import Random

from cluster.health.dependency import Dependency
from cluster.health.figures import DependencyFigures
from cluster.health.monitor import DependencyMonitor, StateChange
from cluster.health.report import HealthReport
from cluster.runtime.background import PeriodicTask, create_detached_task
from cluster.runtime.clock import Clock

LONGEST_PAUSE_S = 1.0  # so that new dependencies are found
SHORTEST_PAUSE_S = 0.02
FIRST_S = 1.0  # the first checks are spread over this time
REPEAT_S = 5.0  # the longest time to a check that confirms the last one
JITTER = 0.1  # of an interval, either way: replicas do not check together


class HealthRunner:
    """Start it on the loop that uses the dependencies. Implements `DependencyFiguresSource`.

    `on_change` is called with each change of a state; it must not raise.
    """

    def __init__(
        self,
        dependencies: Callable[[], Iterable[Dependency]],
        clock: Clock,
        random: Random,
        replica: str,
        node: str,
        on_change: Callable[[StateChange], None],
    ) -> None:
        self._dependencies = dependencies
        self._clock = clock
        self._random = random
        self._replica, self._node = replica, node
        self._on_change = on_change
        self._monitors: dict[str, DependencyMonitor] = {}
        self._running: dict[str, asyncio.Task[None]] = {}
        self._task = PeriodicTask(self.check_due, self._pause_s, "health checks")

    def start(self) -> None:
        self._task.start()

    async def close(self) -> None:
        await self._task.close()
        for running in self._running.values():
            running.cancel()
        await asyncio.gather(*self._running.values(), return_exceptions=True)
        await asyncio.gather(*(monitor.close() for monitor in self._monitors.values()))

    async def check_due(self) -> None:
        """Starts the checks that are due, and waits for none of them."""
        self._update_monitors()
        now = self._clock.monotonic()
        for name, monitor in self._monitors.items():
            if monitor.due <= now and name not in self._running:
                spread = 1.0 + JITTER * (2.0 * self._random.random() - 1.0)
                monitor.due = now + spread * monitor.dependency.interval_s
                self._running[name] = create_detached_task(self._check(name, monitor))

    async def wait_for_checks(self) -> None:
        """Until those that were started have ended."""
        await asyncio.gather(*self._running.values())

    def report(self) -> HealthReport:
        statuses = tuple(monitor.status() for monitor in self._monitors.values())
        return HealthReport(self._replica, self._node, statuses)

    def figures(self) -> Mapping[str, DependencyFigures]:
        return {name: monitor.figures() for name, monitor in self._monitors.items()}

    async def _check(self, name: str, monitor: DependencyMonitor) -> None:
        try:
            change = await monitor.run_check()
        finally:
            del self._running[name]
        if monitor.is_undecided:
            monitor.due = min(monitor.due, self._clock.monotonic() + REPEAT_S)
        if change is not None:
            self._on_change(change)

    def _update_monitors(self) -> None:
        """Keeps the order of the dependencies; those that have gone are forgotten."""
        now, known = self._clock.monotonic(), self._monitors
        dependencies = {each.name: each for each in self._dependencies()}
        first_s = FIRST_S / max(1, len(dependencies))
        self._monitors = {
            name: known.get(name)
            or DependencyMonitor(each, self._clock, now + each.delay_s + number * first_s)
            for number, (name, each) in enumerate(dependencies.items())
        }

    def _pause_s(self) -> float:
        now = self._clock.monotonic()
        due = min((monitor.due - now for monitor in self._monitors.values()), default=1.0)
        return min(LONGEST_PAUSE_S, max(SHORTEST_PAUSE_S, due))
