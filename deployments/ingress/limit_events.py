"""Events of the limiter as events of the catalogue.

In: LimitEvents. Out: events on the bus. An event that concerns no tenant goes to the operator's
tenant.
"""

from cluster.events.bus import EventBus
from cluster.events.kinds import EventKind
from cluster.secrets.key_files import BOOTSTRAP_TENANT
from deployments.limiter.events import LimitEvent

_HITS = {"limit_hit": EventKind.LIMIT_HIT, "shadow_hit": EventKind.LIMIT_SHADOW_HIT}
_AUTHORITY = {"authority_down": EventKind.AUTHORITY_DOWN, "authority_up": EventKind.AUTHORITY_UP}
_PERCENT = {"budget_80": 80, "budget_100": 100}
_PERIODS = {len("2026-11-21"): "day", len("2026-11"): "month"}
_FIELDS = {"key": "key", "team": "team", "user": "end_user"}


class LimitEventPublisher:
    """The limiter calls it with each event."""

    def __init__(self, bus: EventBus, replica: str) -> None:
        self._bus = bus
        self._replica = replica

    def __call__(self, event: LimitEvent) -> None:
        if event.kind in _HITS:
            data = {
                "limit": event.limit,
                "request_class": event.request_class,
                "model": event.model,
                "count": event.count,
                **_named(event.subject),
            }
            self._bus.publish(event.tenant, _HITS[event.kind], data)
        elif event.kind in _AUTHORITY:
            data = {"replica": self._replica}
            self._bus.publish(BOOTSTRAP_TENANT, _AUTHORITY[event.kind], data)
        else:
            self._publish_budget(event)

    def _publish_budget(self, event: LimitEvent) -> None:
        """Several replicas may report the same: `once` makes it one event for each period."""
        _, _, unit, window = event.bucket.rsplit("|", 3)
        period, amount = _PERIODS.get(len(window), "total"), event.capacity
        percent = _PERCENT[event.kind]
        data = {
            "unit": unit,
            "period": period,
            "window": window,
            "percent": percent,
            "spent": max(0, amount - event.remaining),
            "budget": amount,
            **_named(event.subject),
        }
        once = f"{event.bucket}|{percent}"
        self._bus.publish(event.tenant, EventKind.BUDGET_THRESHOLD, data, once=once)


def _named(subject: str) -> dict[str, str]:
    """Whose limit it is: `key`, `team` or `end_user`; nothing for a tenant's."""
    kind, _, id = subject.partition(":")
    return {_FIELDS[kind]: id} if kind in _FIELDS else {}
