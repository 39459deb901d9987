"""Queued requests: of one tenant by priority, and the tenants by the service they have received.

In: entries as they arrive, get a slot or leave. Out: the next one, and the one to shed. Knows no
clock, no limits and no costs.
"""

from collections import OrderedDict
from dataclasses import dataclass, field
from heapq import heapify, heappop, heappush, heapreplace
from itertools import count

from cluster.runtime.problems import Problem
from cluster.tenants.caller import Priority

IMPORTANCE = (Priority.INTERACTIVE, Priority.STANDARD, Priority.BATCH)
_MAX_OVERTAKEN = {Priority.INTERACTIVE: 0, Priority.STANDARD: 4, Priority.BATCH: 8}
_SLACK = 64


@dataclass(slots=True, eq=False)
class TenantQueue:
    """`served` is the virtual token counter: the cost of its service, divided by `weight`.

    `running` and `waiting` are slots, `open` is entries. `typical` is a moving mean of the cost
    of one of its slots.
    """

    id: str
    weight: float
    served: float
    typical: float
    waiting: int = 0
    running: int = 0
    open: int = 0
    order: int = -1
    backlog: "Backlog" = field(default_factory=lambda: Backlog())


class QueuedRequest:
    """One request for `slots` slots; the queue counts down `waiting` and up `granted`.

    `cost` is its cost so far, `charged` what its tenant's counter was raised by. `deadline` and
    `since` are readings of the queue's monotonic clock. `refusal` is why it was dropped. A
    subclass is notified of grants and refusals through `changed`.
    """

    __slots__ = (
        "charged",
        "cost",
        "deadline",
        "finished",
        "granted",
        "slots",
        "priority",
        "refusal",
        "since",
        "started",
        "tenant",
        "waiting",
    )

    def __init__(
        self, tenant: TenantQueue, priority: Priority, slots: int, since: float, timeout_s: float
    ) -> None:
        self.tenant = tenant
        self.priority = priority
        self.slots = self.waiting = slots
        self.since = self.started = since
        self.deadline = since + timeout_s
        self.granted = self.finished = 0
        self.cost = self.charged = 0.0
        self.refusal: Problem | None = None

    def changed(self) -> None:
        """Called after a slot was granted or the entry was dropped."""


class Backlog:
    """One tenant's waiting entries, first come first served within a priority.

    A more important entry goes first, but a waiting standard one is overtaken at most 4 times in
    a row and a waiting batch one at most 8 times, so each has a guaranteed share of its tenant's
    service, whatever the tenant sends.
    """

    __slots__ = ("_classes", "_overtaken", "_slots")

    def __init__(self) -> None:
        self._classes: tuple[OrderedDict[QueuedRequest, None], ...] = tuple(
            OrderedDict() for _ in IMPORTANCE
        )
        self._overtaken = [0] * len(IMPORTANCE)
        self._slots = [0] * len(IMPORTANCE)

    def add(self, entry: QueuedRequest) -> None:
        rank = IMPORTANCE.index(entry.priority)
        self._classes[rank][entry] = None
        self._slots[rank] += entry.waiting

    def remove(self, entry: QueuedRequest) -> None:
        """Remove a waiting entry."""
        rank = IMPORTANCE.index(entry.priority)
        del self._classes[rank][entry]
        self._slots[rank] -= entry.waiting

    def first(self) -> QueuedRequest:
        """The entry that gets this tenant's next slot."""
        return next(iter(self._classes[self._next_rank()]))

    def take(self, entry: QueuedRequest) -> None:
        """`entry` waits for one slot less; the others wait on."""
        served = IMPORTANCE.index(entry.priority)
        entry.waiting -= 1
        self._slots[served] -= 1
        if not entry.waiting:
            del self._classes[served][entry]
        self._overtaken[served] = 0
        for rank in range(served + 1, len(IMPORTANCE)):
            self._overtaken[rank] += bool(self._classes[rank])

    def shed_candidate(self, below: Priority | None = None) -> QueuedRequest | None:
        """The newest of the least important entries that have no slot yet.

        With `below`, only one that is less important than that.
        """
        first = 0 if below is None else IMPORTANCE.index(below) + 1
        for entries in reversed(self._classes[first:]):
            for entry in reversed(entries):
                if not entry.granted:
                    return entry
        return None

    def ahead(self, priority: Priority) -> int:
        """Places requested by entries that are as important or more."""
        return sum(self._slots[: IMPORTANCE.index(priority) + 1])

    def _next_rank(self) -> int:
        ranks = [rank for rank, entries in enumerate(self._classes) if entries]
        for rank in reversed(ranks[1:]):
            if self._overtaken[rank] >= _MAX_OVERTAKEN[IMPORTANCE[rank]]:
                return rank
        return ranks[0]


class VirtualTimeHeap:
    """Tenants that wait, least served first; of equals, the one that began to wait first.

    A heap whose keys may lag behind counters that grow, and are corrected at the top; a counter
    that sinks needs `put` again. Stale entries are swept when they outnumber the rest.
    """

    def __init__(self) -> None:
        self._heap: list[tuple[float, int, TenantQueue]] = []
        self._orders = count()
        self._sweep_at = _SLACK

    def __len__(self) -> int:
        return len(self._heap)

    def put(self, tenant: TenantQueue) -> None:
        tenant.order = next(self._orders)
        heappush(self._heap, (tenant.served, tenant.order, tenant))
        if len(self._heap) > self._sweep_at:
            self._heap = [entry for entry in self._heap if _is_live(entry)]
            heapify(self._heap)
            self._sweep_at = 2 * len(self._heap) + _SLACK

    def tenants(self) -> list[TenantQueue]:
        return [entry[2] for entry in self._heap if _is_live(entry)]

    def first(self) -> TenantQueue:
        """Raises IndexError when no tenant waits."""
        while True:
            key, order, tenant = entry = self._heap[0]
            if not _is_live(entry):
                heappop(self._heap)
            elif key < tenant.served:
                heapreplace(self._heap, (tenant.served, order, tenant))
            else:
                return tenant


def _is_live(entry: tuple[float, int, TenantQueue]) -> bool:
    _, order, tenant = entry
    return tenant.waiting > 0 and tenant.order == order
