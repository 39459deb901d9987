"""Rules about what the cluster depends on: store, Redis, limits, cache, disks, machines."""

from cluster.metrics.catalogue import cache, credentials, health, limits, node, storage
from cluster.production.alerts.rule import AlertRule, ClusterPart, Severity
from cluster.production.alerts.thresholds import (
    EXPIRY_DAYS,
    FILLING_DISK,
    FULL_DISK,
    LEDGER_BEHIND_S,
    LITTLE_MEMORY,
    STALE_DIRECTORY_S,
    STORE_S,
)
from cluster.production.promql import JOB, Queries, Where, like, unlike

Q = Queries(keep=(JOB,), window="5m")
# These have rules of their own.
_OTHERS = unlike("redis|store|limiter|model:.*|disk:.*")
_DAY_S = 86_400


def _is_down(name: Where) -> str:
    return f"{Q.aggregate('min', health.UP, 'dependency', dependency=name)} == 0"


def _free() -> str:
    by = ("node", "disk")
    free = Q.aggregate("min", node.DISK_FREE, *by)
    return f"{free} / {Q.aggregate('max', node.DISK, *by)}"


def _filling() -> str:
    """At the pace of the last 6 hours it is full within a day."""
    series = Q.select(node.DISK_FREE)
    by = ", ".join(Q.labels(node.DISK_FREE, ("node", "disk")))
    left = f"min by ({by}) (predict_linear({series}[6h], {_DAY_S}))"
    return f"{_free()} < {FILLING_DISK:g} and {left} < 0"


def _expires(metric: str) -> str:
    return f"{metric} - time() < {EXPIRY_DAYS * _DAY_S}"


RULES = (
    AlertRule(
        "MobulaStoreDown",
        ClusterPart.STORE,
        Severity.PAGE,
        f"{Q.aggregate('min', storage.UP)} == 0 or on ({JOB}) {_is_down('store')}",
        "1m",
        "5m",
        "The store cannot be reached",
        "Known keys and limits stay in force; administration, sign-in and requests with an "
        "Idempotency-Key answer 503. Usage, events and audit records wait in memory.",
    ),
    AlertRule(
        "MobulaStoreSlow",
        ClusterPart.STORE,
        Severity.TICKET,
        f"{Q.quantile(0.95, storage.TRANSACTIONS, 'kind')} > {STORE_S:g}",
        "5m",
        "10m",
        "The store is slow: {{ $labels.kind }}",
        "The slowest twentieth of its transactions takes {{ $value | humanizeDuration }} or more.",
    ),
    AlertRule(
        "MobulaLedgerBehind",
        ClusterPart.STORE,
        Severity.TICKET,
        f"{Q.aggregate('max', storage.LEDGER_BEHIND)} > {LEDGER_BEHIND_S:g}",
        "1m",
        "5m",
        "Usage is not written to the ledger",
        "For {{ $value | humanizeDuration }} usage has waited in an ingress replica: budgets and "
        "reports lack it until it is written.",
    ),
    AlertRule(
        "MobulaRecordsLost",
        ClusterPart.STORE,
        Severity.PAGE,
        f"{Q.increase(storage.LOST, 'what', window='15m')} > 0",
        "0s",
        "30m",
        "Records of {{ $labels.what }} were lost",
        "About {{ $value | humanize }} records in 15 minutes could not be kept: the store was away "
        "for longer than the buffers last.",
    ),
    AlertRule(
        "MobulaDirectoryStale",
        ClusterPart.STORE,
        Severity.TICKET,
        f"{Q.aggregate('max', limits.DIRECTORY_AGE)} > {STALE_DIRECTORY_S:g}",
        "2m",
        "5m",
        "A replica has not read tenants and keys for {{ $value | humanizeDuration }}",
        "New keys, plans and revocations do not reach it until it reads the store again.",
    ),
    AlertRule(
        "MobulaRedisDown",
        ClusterPart.LIMITS,
        Severity.PAGE,
        _is_down("redis"),
        "1m",
        "5m",
        "Redis cannot be reached",
        "What is leased of limits is spent, then a degraded mode admits a share of each rate and "
        "budgets answer 503; the shared cache tier is skipped.",
    ),
    AlertRule(
        "MobulaLimiterDegraded",
        ClusterPart.LIMITS,
        Severity.PAGE,
        f"{Q.aggregate('min', limits.AUTHORITY_UP)} == 0 or on ({JOB}) {_is_down('limiter')}",
        "1m",
        "5m",
        "Limits are estimated: their authority does not answer",
        "An ingress replica cannot reach the limits' authority (Redis or the limiter's shards): "
        "after what is leased, a share of each rate is admitted and budgets answer 503.",
    ),
    AlertRule(
        "MobulaCacheErrors",
        ClusterPart.CACHE,
        Severity.TICKET,
        f"{Q.rate(cache.ERRORS, 'tier')} > 0.1",
        "5m",
        "10m",
        "Calls of the cache's tier {{ $labels.tier }} fail",
        '{{ printf "%.2g" $value }} calls a second fail; responses that only this tier has are '
        "computed again.",
    ),
    AlertRule(
        "MobulaDependencyDown",
        ClusterPart.CLUSTER,
        Severity.PAGE,
        _is_down(_OTHERS),
        "2m",
        "10m",
        "{{ $labels.dependency }} is down",
        "An ingress replica finds it down; `./mobula health` says why, since when, and what that "
        "means for callers.",
    ),
    AlertRule(
        "MobulaDiskFull",
        ClusterPart.MACHINE,
        Severity.PAGE,
        f"{_free()} < {FULL_DISK:g} or on ({JOB}) {_is_down(like('disk:.*'))}",
        "2m",
        "10m",
        "A disk is full or cannot be written",
        "{{ if $labels.node }}{{ $value | humanizePercentage }} of the disk for {{ $labels.disk }} "
        "of node {{ $labels.node }} are free{{ else }}The check of {{ $labels.dependency }} finds "
        "it down{{ end }}: uploads and clip jobs fail, and with the home full nothing is recorded.",
    ),
    AlertRule(
        "MobulaDiskFilling",
        ClusterPart.MACHINE,
        Severity.TICKET,
        _filling(),
        "30m",
        "2h",
        "Disk {{ $labels.disk }} of node {{ $labels.node }} will be full within a day",
        "{{ $value | humanizePercentage }} are free, and it fills at the pace of the last 6 hours.",
    ),
    AlertRule(
        "MobulaNodeMemory",
        ClusterPart.MACHINE,
        Severity.PAGE,
        f"{Q.aggregate('min', node.MEMORY_AVAILABLE, 'node')}"
        f" / {Q.aggregate('max', node.MEMORY, 'node')} < {LITTLE_MEMORY:g}",
        "5m",
        "10m",
        "Node {{ $labels.node }} has hardly any memory left",
        "{{ $value | humanizePercentage }} are available: Ray ends replicas before the kernel.",
    ),
    AlertRule(
        "MobulaCertificateExpires",
        ClusterPart.API,
        Severity.TICKET,
        _expires(Q.aggregate("min", credentials.CERTIFICATE)),
        "10m",
        "1h",
        "The TLS certificate expires in {{ $value | humanizeDuration }}",
        "Then no client that checks certificates connects.",
    ),
    AlertRule(
        "MobulaOperatorKeyExpires",
        ClusterPart.MONITORING,
        Severity.TICKET,
        _expires(Q.aggregate("min", credentials.OPERATOR_KEY)),
        "10m",
        "1h",
        "A key of the operator's expires in {{ $value | humanizeDuration }}",
        "It administers the cluster or reads its metrics: whoever uses it is refused then, "
        "Prometheus included.",
    ),
)
