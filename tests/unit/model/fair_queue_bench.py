"""A fair queue on a bench: entries go in by name, grants are logged, the clock is ours."""

from dataclasses import dataclass, field

from cluster.runtime.clock import ManualClock
from cluster.tenants.caller import Priority
from deployments.model.queueing.backlog import QueuedRequest
from deployments.model.queueing.fair_queue import FairQueue

INTERACTIVE, STANDARD, BATCH = Priority.INTERACTIVE, Priority.STANDARD, Priority.BATCH


@dataclass
class Bench:
    """A queue and everything that entered it."""

    limit: int = 1
    clock: ManualClock = field(default_factory=ManualClock)
    log: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.queue = FairQueue(self.limit, self.clock, lambda e: self.log.append(e.tenant.id))

    def enter(
        self,
        tenant: str,
        priority: Priority = STANDARD,
        places: int = 1,
        timeout_s: float = 1e6,
        weight: float = 1.0,
    ) -> QueuedRequest:
        account = self.queue.tenant(tenant, weight)
        entry = QueuedRequest(account, priority, places, self.clock.monotonic(), timeout_s)
        self.queue.enter(entry)
        return entry

    def serve(self, entry: QueuedRequest, cost: float = 100.0) -> None:
        """Do all that a granted entry asks for."""
        self.queue.charge(entry, cost * entry.granted)
        for _ in range(entry.granted - entry.finished):
            self.queue.finish(entry)
        self.queue.leave(entry)
