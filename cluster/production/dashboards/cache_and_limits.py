"""The response cache and the limits: what is saved, and what is refused."""

from cluster.metrics.catalogue import cache, limits
from cluster.production.dashboards import uids
from cluster.production.dashboards.panel import (
    ANY_IS_WRONG,
    Dashboard,
    DashboardVariable,
    Panel,
    PanelKind,
    PanelUnit,
    Row,
    Shown,
    falling,
    rising,
)
from cluster.production.dashboards.shared import UP
from cluster.production.promql import JOB, Queries, like, share

Q = Queries({JOB: f"${JOB}", "replica": like("$replica")})


def _cache() -> Row:
    hits, misses = Q.rate(cache.HITS, "tier"), Q.rate(cache.MISSES, "tier")
    all_hits = Q.rate(cache.HITS)
    return Row(
        "Cache",
        (
            Panel(
                "Hit ratio",
                (
                    Shown(share(hits, f"({hits} + {misses})"), "{{tier}}"),
                    Shown(share(all_hits, f"({all_hits} + {Q.rate(cache.COMPUTED)})"), "all tiers"),
                ),
                unit=PanelUnit.RATIO,
                maximum=1,
                about="Of a tier: found of those looked for there.",
            ),
            Panel(
                "Responses",
                (
                    Shown(hits, "found in {{tier}}"),
                    Shown(Q.rate(cache.COALESCED), "coalesced"),
                    Shown(Q.rate(cache.COMPUTED), "computed"),
                    Shown(Q.rate(cache.STORED), "of them stored"),
                    Shown(Q.rate(cache.BYPASSED), "not to be cached"),
                ),
                unit=PanelUnit.REQUESTS,
            ),
            Panel(
                "Tokens that no model computed",
                (Shown(Q.rate(cache.TOKENS_SAVED), "tokens a second"),),
            ),
            Panel(
                "Stored",
                (
                    Shown(Q.sum(cache.BYTES, "tier", tier="l1"), "{{tier}}, all replicas"),
                    Shown(Q.sum(cache.SHARD_BYTES), "shared tier"),
                ),
            ),
            Panel(
                "Entries",
                (
                    Shown(Q.sum(cache.ENTRIES, "tier", tier="l1"), "{{tier}}, all replicas"),
                    Shown(Q.sum(cache.SHARD_ENTRIES), "shared tier"),
                ),
            ),
            Panel(
                "Stale, invalidated, evicted",
                (
                    Shown(Q.rate(cache.STALE_SERVED), "served stale"),
                    Shown(Q.rate(cache.REFRESHES), "refreshed early"),
                    Shown(Q.rate(cache.ERRORS_COVERED), "covered a failure"),
                    Shown(Q.rate(cache.INVALIDATED), "found invalidated"),
                    Shown(Q.rate(cache.EVICTIONS, "tier"), "evicted from {{tier}}"),
                    Shown(Q.rate(cache.SHARD_EVICTIONS), "evicted from a shard"),
                ),
            ),
            Panel(
                "Calls of a tier that failed",
                (Shown(Q.rate(cache.ERRORS, "tier"), "{{tier}}"),),
                thresholds=ANY_IS_WRONG,
            ),
        ),
    )


def _limits() -> Row:
    return Row(
        "Limits",
        (
            Panel(
                "Refused",
                (
                    Shown(Q.rate(limits.REFUSALS, "limit", shadow="no"), "{{limit}}"),
                    Shown(Q.rate(limits.REFUSALS, "limit", shadow="yes"), "{{limit}}, shadow"),
                ),
                fills_in="no limit was reached.",
            ),
            Panel(
                "Authority",
                (Shown(Q.aggregate("min", limits.AUTHORITY_UP, "replica"), "{{replica}}"),),
                PanelKind.STATES,
                texts=UP,
                thresholds=falling(0.5, 1),
            ),
            Panel(
                "Exchanges of credits",
                (Shown(Q.observed(limits.EXCHANGES, "outcome"), "{{outcome}}"),),
                unit=PanelUnit.EVENTS,
            ),
            Panel(
                "Time of an exchange",
                (
                    Shown(Q.quantile(0.5, limits.EXCHANGES), "median"),
                    Shown(Q.quantile(0.95, limits.EXCHANGES), "p95"),
                ),
                thresholds=rising(0.25, 1),
            ),
            Panel(
                "Buckets",
                (Shown(Q.sum(limits.BUCKETS, "replica"), "{{replica}}"),),
                fills_in="limits are in Redis.",
            ),
            Panel(
                "Age of what replicas know",
                (
                    Shown(Q.aggregate("max", limits.DIRECTORY_AGE), "tenants, keys, plans"),
                    Shown(Q.aggregate("max", limits.INVALIDATIONS_AGE), "invalidated responses"),
                ),
                thresholds=rising(10, 60),
                about="Of the replica that knows the oldest.",
            ),
            Panel(
                "Findings of guardrails",
                (
                    Shown(
                        Q.rate(limits.FINDINGS, "policy", "rule", "action"),
                        "{{policy}} {{rule}}: {{action}}",
                    ),
                ),
                width=16,
                fills_in="no guardrail has found anything.",
            ),
        ),
    )


DASHBOARD = Dashboard(
    uids.CACHE_AND_LIMITS,
    "Mobula: cache and limits",
    "What the cache saves, what limits and guardrails refuse.",
    (_cache(), _limits()),
    (DashboardVariable("replica", cache.COMPUTED),),
)
