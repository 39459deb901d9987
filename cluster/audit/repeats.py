"""Aggregates records that unauthenticated clients can cause: the first at once, repeats per minute.

In: records. Out: the first of each kind, and once a minute one with the count `repeats` in its
detail. Up to MAX_KINDS kinds are distinguished; the others share one, so that clients cannot fill
the database or memory.
"""

from collections.abc import Callable
from dataclasses import dataclass, replace

from cluster.audit.record import AuditRecord
from cluster.runtime.clock import Clock

FLUSH_INTERVAL_S = 60.0
MAX_KINDS = 100
OTHERS = "others"  # the address in the shared record

Kind = tuple[str, str, str, str, str, str]


@dataclass(slots=True)
class _Aggregate:
    record: AuditRecord
    since: float
    count: int = 0


class Repeats:
    """`enqueue` receives the records: AuditTrail.enqueue."""

    def __init__(self, enqueue: Callable[[AuditRecord], None], clock: Clock) -> None:
        self._enqueue = enqueue
        self._clock = clock
        self._aggregates: dict[Kind, _Aggregate] = {}

    def note(self, record: AuditRecord) -> None:
        """Adds a record; `detail.address` is part of its kind."""
        kind = _kind(record)
        if kind not in self._aggregates and len(self._aggregates) >= MAX_KINDS:
            record = replace(record, detail={"address": OTHERS})
            kind = _kind(record)
        aggregate = self._aggregates.get(kind)
        if aggregate is None:
            self._aggregates[kind] = _Aggregate(record, self._clock.monotonic())
            self._enqueue(record)
        else:
            aggregate.count += 1
            aggregate.record = replace(aggregate.record, at=record.at)

    def flush(self, *, everything: bool = False) -> None:
        """Emits the counts of kinds whose minute is over; call it about every second."""
        now = self._clock.monotonic()
        for kind, aggregate in list(self._aggregates.items()):
            if not everything and now - aggregate.since < FLUSH_INTERVAL_S:
                continue
            if aggregate.count:
                detail = {**aggregate.record.detail, "repeats": aggregate.count}
                self._enqueue(replace(aggregate.record, request_id="", detail=detail))
                aggregate.count, aggregate.since = 0, now
            else:
                del self._aggregates[kind]


def _kind(record: AuditRecord) -> Kind:
    address = str(record.detail.get("address", ""))
    return (
        record.tenant, record.actor, record.action, record.resource, record.outcome, address,
    )  # fmt: skip
