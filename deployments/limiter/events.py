"""What observers of limits are told: limits hit, budgets nearly spent, the authority lost.

In: what happened to a limit. Out: calls of `observe`; hits of one limit by one kind of request are
told once a second, with their count. An observer that fails is logged and does not reach the
request.
"""

import logging
import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

from cluster.runtime.clock import Clock
from deployments.limiter.leased_bucket import LeasedBucket
from deployments.limiter.tenant_state import Source

_HITS_S = 1.0
_SWEEP_S = 3600.0
_log = logging.getLogger(__name__)

Kind = Literal[
    "limit_hit", "shadow_hit", "budget_80", "budget_100", "authority_down", "authority_up"
]


@dataclass(frozen=True, slots=True)
class LimitEvent:
    """`at` is Unix seconds; `limit` and `bucket` are "" where the authority is meant.

    `remaining` is what is left of a rate or a budget. `count` is how many requests were hit since
    the last event that differs in nothing else; `model` is "" where none was called yet. Several
    replicas may report one budget: `bucket` names its period, so it tells repeats apart.
    """

    kind: Kind
    at: float
    tenant: str = ""
    limit: str = ""
    bucket: str = ""
    remaining: int = 0
    count: int = 1
    request_class: str = ""
    model: str = ""


@dataclass(slots=True)
class _Hits:
    """Hits of one limit by one source since `told_at` (monotonic seconds)."""

    tenant: str
    purse: LeasedBucket
    source: Source
    shadow: bool
    told_at: float = -math.inf
    count: int = 0


class LimitEventEmitter:
    """Turns what happens into events."""

    def __init__(self, observe: Callable[[LimitEvent], None], clock: Clock) -> None:
        self._observe = observe
        self._clock = clock
        self._hits: dict[tuple[str, bool, Source], _Hits] = {}
        self._told: dict[str, tuple[int, float]] = {}  # percent of a budget, the period's end
        self._sweep_at = 0.0

    def authority(self, kind: Literal["authority_down", "authority_up"]) -> None:
        self._send(LimitEvent(kind, self._clock.wall()))

    def hit(self, tenant: str, purse: LeasedBucket, source: Source, now: float) -> None:
        """A limit refused a request, or would have."""
        shadow = purse.limit.shadow
        key = (purse.limit.spec.key, shadow, source)
        hits = self._hits.get(key)
        if hits is None:
            hits = self._hits[key] = _Hits(tenant, purse, source, shadow)
        hits.count += 1
        if now - hits.told_at >= _HITS_S:
            self._tell(hits, now)

    def flush(self, now: float) -> None:
        """Tell of hits that are due, and forget limits that are hit no more."""
        for key, hits in list(self._hits.items()):
            if now - hits.told_at >= _HITS_S:
                if hits.count:
                    self._tell(hits, now)
                else:
                    del self._hits[key]

    def budget(self, tenant: str, purse: LeasedBucket, now: float) -> None:
        """A budget's level is known anew: 80 % and 100 % of it are told once each in a period."""
        left = purse.remaining_global(now)
        if not purse.known or 5 * left > purse.limit.spec.capacity:
            return
        told, _ = self._told.get(purse.limit.spec.key, (0, 0.0))
        if told < 80:
            self._threshold("budget_80", 80, tenant, purse, left)
        if told < 100 and left < 1:
            self._threshold("budget_100", 100, tenant, purse, left)

    def _threshold(
        self, kind: Kind, percent: int, tenant: str, purse: LeasedBucket, left: int
    ) -> None:
        wall, limit = self._clock.wall(), purse.limit
        if wall >= self._sweep_at:
            self._told = {key: told for key, told in self._told.items() if told[1] > wall}
            self._sweep_at = wall + _SWEEP_S
        self._told[limit.spec.key] = (percent, limit.spec.until)
        self._send(LimitEvent(kind, wall, tenant, limit.name, limit.spec.key, max(0, left)))

    def _tell(self, hits: _Hits, now: float) -> None:
        limit, (request_class, model) = hits.purse.limit, hits.source
        event = LimitEvent(
            "shadow_hit" if hits.shadow else "limit_hit",
            self._clock.wall(),
            hits.tenant,
            limit.name,
            limit.spec.key,
            hits.purse.remaining(self._clock.monotonic()),
            hits.count,
            str(request_class),
            model,
        )
        hits.told_at, hits.count = now, 0
        self._send(event)

    def _send(self, event: LimitEvent) -> None:
        try:
            self._observe(event)
        except Exception:  # noqa: BLE001 - whatever an observer does, the request goes on
            _log.exception("an observer of limits failed")
