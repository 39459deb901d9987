"""A dependency whose checks do what a test says."""

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import Any

from cluster.health.dependency import Dependency
from cluster.health.state import UP, CheckOutcome
from cluster.runtime.clock import ManualClock


@dataclass
class ScriptedCheck:
    """`outcome` is given, or raised; `hang` waits for `ended`; a check takes `takes_s`."""

    clock: ManualClock = field(default_factory=ManualClock)
    outcome: CheckOutcome | Exception = UP
    takes_s: float = 0.0
    hangs: bool = False
    ended: asyncio.Event = field(default_factory=asyncio.Event)
    running: int = 0
    most: int = 0
    calls: int = 0

    async def __call__(self) -> CheckOutcome:
        self.calls += 1
        self.running += 1
        self.most = max(self.most, self.running)
        try:
            self.clock.advance(self.takes_s)
            if self.hangs:
                await _wait_uncancelled(self.ended)
            if isinstance(self.outcome, Exception):
                raise self.outcome
            return self.outcome
        finally:
            self.running -= 1

    def dependency(self, name: str = "store", **changes: Any) -> Dependency:
        check: Callable[[], Awaitable[CheckOutcome]] = self
        return Dependency(name, "test", check, "Nothing works.", **changes)


async def _wait_uncancelled(event: asyncio.Event) -> None:
    """As a thread in a system call does, it goes on although it is cancelled."""
    while not event.is_set():
        try:
            await event.wait()
        except asyncio.CancelledError:
            continue
