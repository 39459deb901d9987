"""Records that anybody can cause, folded: the first at once, repeats once a minute with a count.

Flows in: records. Flows out: the same to whoever keeps them, and for those that came again within
the minute one with `repeats` in its detail. Of so many kinds a minute each has its own; the others
share one, so that neither the store nor memory is a stranger's to fill.
"""

from collections.abc import Callable
from dataclasses import dataclass, replace

from cluster.audit.record import AuditRecord
from cluster.runtime.clock import Clock

EVERY_S = 60.0
MAX_KINDS = 100
OTHERS = "others"  # the address of those that share one record

Kind = tuple[str, str, str, str, str, str]


@dataclass(slots=True)
class _Folded:
    record: AuditRecord
    since: float
    count: int = 0


class Repeats:
    """`keep` is where records go: AuditTrail.note."""

    def __init__(self, keep: Callable[[AuditRecord], None], clock: Clock) -> None:
        self._keep = keep
        self._clock = clock
        self._folded: dict[Kind, _Folded] = {}

    def note(self, record: AuditRecord) -> None:
        """`detail.address` tells records of one kind apart."""
        kind = _kind(record)
        if kind not in self._folded and len(self._folded) >= MAX_KINDS:
            record = replace(record, detail={"address": OTHERS})
            kind = _kind(record)
        folded = self._folded.get(kind)
        if folded is None:
            self._folded[kind] = _Folded(record, self._clock.monotonic())
            self._keep(record)
        else:
            folded.count += 1
            folded.record = replace(folded.record, at=record.at)

    def flush(self, *, everything: bool = False) -> None:
        """Keep the counts of kinds whose minute is over; call it every second or so."""
        now = self._clock.monotonic()
        for kind, folded in list(self._folded.items()):
            if not everything and now - folded.since < EVERY_S:
                continue
            if folded.count:
                detail = {**folded.record.detail, "repeats": folded.count}
                self._keep(replace(folded.record, request_id="", detail=detail))
                folded.count, folded.since = 0, now
            else:
                del self._folded[kind]


def _kind(record: AuditRecord) -> Kind:
    address = str(record.detail.get("address", ""))
    return (
        record.tenant, record.actor, record.action, record.resource, record.outcome, address,
    )  # fmt: skip
