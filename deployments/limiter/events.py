"""Events about limits: limits hit, budgets nearly spent, the authority lost.

In: refusals, and levels of budgets. Out: calls of `observe`; hits of one limit by one kind of
request are reported once a second, with their count. An observer that fails is logged and does not
affect the request.
"""

import logging
import math
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

from cluster.runtime.clock import Clock
from deployments.limiter.leased_bucket import LeasedBucket
from deployments.limiter.subject_limits import Source

_HITS_S = 1.0
_SWEEP_S = 3600.0
_log = logging.getLogger(__name__)

Kind = Literal[
    "limit_hit", "shadow_hit", "budget_80", "budget_100", "authority_down", "authority_up"
]


@dataclass(frozen=True, slots=True)
class LimitEvent:
    """`at` is Unix seconds; `limit` and `bucket` are "" for events about the authority.

    `remaining` is what is left of a rate or a budget. `count` is how many requests were hit since
    the last event that is otherwise equal; `model` is "" where none was called yet. Several
    replicas may report one budget: `bucket` names its period, which identifies repeats.
    `subject` is whose limit it is: "" for the tenant's, `key:<account>`, `team:<id>` or
    `user:<digest>`. `remaining` and `capacity` are in units of the limit.
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
    subject: str = ""
    capacity: int = 0


@dataclass(slots=True)
class _Hits:
    """Hits of one limit by one source since `reported_at` (monotonic seconds)."""

    tenant: str
    bucket: LeasedBucket
    source: Source
    shadow: bool
    reported_at: float = -math.inf
    count: int = 0


class LimitEventEmitter:
    """Aggregates hits and thresholds into events."""

    def __init__(self, observe: Callable[[LimitEvent], None], clock: Clock) -> None:
        self.refusals: Counter[tuple[str, str]] = Counter()  # by limit, and whether in shadow
        self._observe = observe
        self._clock = clock
        self._hits: dict[tuple[str, bool, Source], _Hits] = {}
        self._reported: dict[
            str, tuple[int, float]
        ] = {}  # a budget's threshold in percent, the period's end
        self._sweep_at = 0.0
        self._lost = 0  # authority shards

    def authority(self, kind: Literal["authority_down", "authority_up"]) -> None:
        """A shard was lost or is back: the first and the last one are reported."""
        before = self._lost
        self._lost += 1 if kind == "authority_down" else -1
        if not (before and self._lost):
            self._send(LimitEvent(kind, self._clock.wall()))

    def hit(self, tenant: str, bucket: LeasedBucket, source: Source, now: float) -> None:
        """A limit refused a request, or would have."""
        shadow = bucket.limit.shadow
        self.refusals[bucket.limit.name, "yes" if shadow else "no"] += 1
        key = (bucket.limit.spec.key, shadow, source)
        hits = self._hits.get(key)
        if hits is None:
            hits = self._hits[key] = _Hits(tenant, bucket, source, shadow)
        hits.count += 1
        if now - hits.reported_at >= _HITS_S:
            self._report(hits, now)

    def flush(self, now: float) -> None:
        """Report hits that are due, and forget limits that are not hit any more."""
        for key, hits in list(self._hits.items()):
            if now - hits.reported_at >= _HITS_S:
                if hits.count:
                    self._report(hits, now)
                else:
                    del self._hits[key]

    def budget(self, tenant: str, bucket: LeasedBucket, now: float) -> None:
        """A budget's level was updated: 80 % and 100 % are each reported once in a period."""
        remaining = bucket.remaining_global(now)
        if not bucket.known or 5 * remaining > bucket.limit.spec.capacity:
            return
        percent, _ = self._reported.get(bucket.limit.spec.key, (0, 0.0))
        if percent < 80:
            self._report_threshold("budget_80", 80, tenant, bucket, remaining)
        if percent < 100 and remaining < 1:
            self._report_threshold("budget_100", 100, tenant, bucket, remaining)

    def _report_threshold(
        self, kind: Kind, percent: int, tenant: str, bucket: LeasedBucket, remaining: int
    ) -> None:
        wall, limit = self._clock.wall(), bucket.limit
        if wall >= self._sweep_at:
            self._reported = {k: entry for k, entry in self._reported.items() if entry[1] > wall}
            self._sweep_at = wall + _SWEEP_S
        self._reported[limit.spec.key] = (percent, limit.spec.until)
        event = LimitEvent(
            kind,
            wall,
            tenant,
            limit.name,
            limit.spec.key,
            max(0, remaining) // limit.scale,
            subject=limit.subject,
            capacity=limit.spec.capacity // limit.scale,
        )
        self._send(event)

    def _report(self, hits: _Hits, now: float) -> None:
        limit, (request_class, model) = hits.bucket.limit, hits.source
        event = LimitEvent(
            "shadow_hit" if hits.shadow else "limit_hit",
            self._clock.wall(),
            hits.tenant,
            limit.name,
            limit.spec.key,
            hits.bucket.remaining(self._clock.monotonic()) // limit.scale,
            hits.count,
            str(request_class),
            model,
            limit.subject,
            limit.spec.capacity // limit.scale,
        )
        hits.reported_at, hits.count = now, 0
        self._send(event)

    def _send(self, event: LimitEvent) -> None:
        try:
            self._observe(event)
        except Exception:  # noqa: BLE001 - an observer must not fail the request
            _log.exception("an observer of limits failed")
