"""What observers of limits are told: limits hit, budgets nearly spent, the authority lost.

In: what happened to a limit. Out: one call of `observe` for each event, at most one hit a second
for each limit. An observer that fails is logged and does not reach the request.
"""

import logging
from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

from cluster.clock import Clock
from deployments.contracts.limits import BucketKind
from deployments.limiter.purse import Purse

_HITS_S = 1.0
_log = logging.getLogger(__name__)

Kind = Literal[
    "limit_hit", "shadow_hit", "budget_80", "budget_100", "authority_down", "authority_up"
]


@dataclass(frozen=True, slots=True)
class LimitEvent:
    """`at` is Unix seconds; `limit` and `bucket` are "" where the authority is meant.

    Several replicas may report one budget: `bucket` names its period, so it tells repeats apart.
    """

    kind: Kind
    at: float
    tenant: str = ""
    limit: str = ""
    bucket: str = ""
    remaining: int = 0


class Announcer:
    """Turns what happens into events."""

    def __init__(self, observe: Callable[[LimitEvent], None], clock: Clock) -> None:
        self._observe = observe
        self._clock = clock

    def authority(self, kind: Literal["authority_down", "authority_up"]) -> None:
        self._send(LimitEvent(kind, self._clock.wall()))

    def hit(self, tenant: str, purse: Purse, now: float) -> None:
        """A limit refused a request, or would have."""
        if purse.kind is BucketKind.BUDGET and not purse.limit.shadow and purse.warned < 100:
            purse.warned = 100
            self._purse("budget_100", tenant, purse, now)
        if now - purse.hit_at >= _HITS_S:
            purse.hit_at = now
            self._purse("shadow_hit" if purse.limit.shadow else "limit_hit", tenant, purse, now)

    def budget(self, tenant: str, purse: Purse, now: float) -> None:
        """A budget's level is known anew."""
        spent = purse.limit.spec.capacity - purse.remaining(now)
        if not purse.warned and 10 * spent >= 8 * purse.limit.spec.capacity:
            purse.warned = 80
            self._purse("budget_80", tenant, purse, now)

    def _purse(self, kind: Kind, tenant: str, purse: Purse, now: float) -> None:
        limit = purse.limit
        at, left = self._clock.wall(), purse.remaining(now)
        self._send(LimitEvent(kind, at, tenant, limit.name, limit.spec.key, left))

    def _send(self, event: LimitEvent) -> None:
        try:
            self._observe(event)
        except Exception:  # noqa: BLE001 - whatever an observer does, the request goes on
            _log.exception("an observer of limits failed")
