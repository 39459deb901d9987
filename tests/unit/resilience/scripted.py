"""A model's replicas that do as they are told, behind a real Fleet."""

import asyncio
from collections.abc import Callable
from typing import Any

from cluster.balancing.replica_set import ReplicaSet
from cluster.balancing.replica_state import ReplicaInfo
from cluster.balancing.request_info import RoutingRequest
from cluster.balancing.spec import RoutingSpec
from cluster.resilience.resilient_call import ResilientCaller
from cluster.resilience.spec import ResilienceSpec
from cluster.runtime.clock import ManualClock
from cluster.runtime.problems import Problem

End = str | Problem | None  # None: it hangs


class Sent:
    """One attempt. It ends as its replica is told to, or when it is given up."""

    def __init__(self, world: "World", call: str, timeout_s: float, lasts: bool) -> None:
        self.call = call
        self.timeout_s = self.patience_s = timeout_s
        self.sent_at = world.clock.monotonic()
        self.placed = self.silent = False
        self.refused = 0
        self.replica: str | None = None
        self.ending: tuple[float, str] | None = None
        self.accepted = False
        self.lasts = self.tells = lasts
        self.cancelled = False
        self.to = world.place(call)
        self.end: asyncio.Future[str] = asyncio.get_running_loop().create_future()

    async def answer(self) -> str:
        return await self.end

    def settle(self, end: End) -> None:
        if self.end.done() or end is None:
            return
        if isinstance(end, Problem):
            self.end.set_exception(end)
        else:
            self.end.set_result(end)

    def give_up(self, problem: Problem) -> None:
        self.settle(problem)

    def cancel(self) -> None:
        self.cancelled = True
        self.end.cancel()


class World:
    """`ends` says by replica how attempts there end; who is not named answers with its name."""

    def __init__(self, *replicas: str, lasts: bool = False, **spec: Any) -> None:
        self.clock = ManualClock()
        self.fleet = ReplicaSet(RoutingSpec(), self.clock)
        self.ends: dict[str, End] = {}
        self.sent: list[Sent] = []
        self.lasts = lasts
        self.on_send: Callable[[Sent], None] = lambda _: None
        self.have(*replicas)
        spec = ResilienceSpec.model_validate(spec)
        self.calls = ResilientCaller("m", spec, self.fleet, self.clock)

    def have(self, *replicas: str) -> None:
        """These replicas are there now, and no others."""
        self.fleet.update([ReplicaInfo(name, "node", True, {}) for name in replicas])

    def place(self, call: str) -> str | None:
        placement = self.fleet.place(RoutingRequest(call), self.fleet.statuses())
        return None if placement is None else placement.state.replica

    def send(self, call: str, left_s: float) -> Sent:
        sent = Sent(self, call, left_s, self.lasts)
        self.sent.append(sent)
        if sent.to is not None:
            sent.settle(self.ends.get(sent.to, sent.to))
        self.on_send(sent)
        return sent

    async def call(self, name: str = "c", timeout_s: float = 60.0) -> str:
        return await self.calls.run(name, timeout_s, self.send)

    def start(self, name: str = "c", timeout_s: float = 60.0) -> "asyncio.Task[str]":
        return asyncio.create_task(self.call(name, timeout_s))

    async def later(self, seconds: float) -> None:
        """So much time passes, and every open attempt is looked at."""
        await asyncio.sleep(0)
        for _ in range(3):
            self.clock.advance(seconds / 3)
            self.calls.attempts.watch.look()
            await asyncio.sleep(0)
