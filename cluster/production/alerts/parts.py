"""Rules about what requests depend on: limits, cache, store, jobs, webhooks, processes."""

from cluster.metrics.catalogue import (
    cache,
    jobs,
    limits,
    process,
    scrape,
    storage,
)
from cluster.production.alerts.rule import AlertRule, Part, Severity
from cluster.production.alerts.thresholds import (
    ENDED_REPLICAS,
    ENDED_WINDOW,
    LEAK_BYTES_PER_HOUR,
    LEAK_WINDOW,
    LOOP_LAG_S,
    OLDEST_JOB_S,
    STALE_DIRECTORY_S,
    STORE_S,
)
from cluster.production.promql import JOB, Queries, ended, unlike

Q = Queries(keep=(JOB,), window="5m")


def _leak() -> str:
    """Of a process that has run all the time and grows in both halves of it."""
    memory = Q.select(process.MEMORY)
    by = (JOB, "deployment", "replica")
    growth = f"max by ({', '.join(by)}) (deriv({memory}[{LEAK_WINDOW}])) * 3600"
    since = f"max by ({', '.join(by)}) ({memory} offset {LEAK_WINDOW})"
    return f"{growth} > {LEAK_BYTES_PER_HOUR} and {since} > 0"


def _unreachable() -> str:
    """Nothing has been scraped, or the target does not answer."""
    return f"absent({scrape.BUILD.name})"


RULES = (
    AlertRule(
        "MobulaLimiterDegraded",
        Part.LIMITS,
        Severity.PAGE,
        f"{Q.aggregate('min', limits.AUTHORITY_UP)} == 0",
        "1m",
        "5m",
        "Limits are estimated: their authority does not answer",
        "An ingress replica cannot reach the limits' authority (Redis or the limiter's shards). "
        "What is leased is spent, then a share of each rate is admitted and budgets answer 503.",
    ),
    AlertRule(
        "MobulaDirectoryStale",
        Part.STORE,
        Severity.TICKET,
        f"{Q.aggregate('max', limits.DIRECTORY_AGE)} > {STALE_DIRECTORY_S:g}",
        "2m",
        "5m",
        "A replica has not read tenants and keys for {{ $value | humanizeDuration }}",
        "New keys, plans and revocations reach it late, and from its limit of staleness on it "
        "refuses.",
    ),
    AlertRule(
        "MobulaCacheErrors",
        Part.CACHE,
        Severity.TICKET,
        f"{Q.rate(cache.ERRORS, 'tier')} > 0.1",
        "5m",
        "10m",
        "Calls of the cache's tier {{ $labels.tier }} fail",
        "{{ $value | humanize }} calls a second fail; responses that are only there are computed "
        "again.",
    ),
    AlertRule(
        "MobulaStoreDown",
        Part.STORE,
        Severity.PAGE,
        f"{Q.aggregate('min', storage.UP)} == 0",
        "1m",
        "5m",
        "The store cannot be reached",
        "Known keys and limits stay in force; administration, sign-in and requests with an "
        "Idempotency-Key answer 503. Usage, events and audit records wait in memory.",
    ),
    AlertRule(
        "MobulaStoreSlow",
        Part.STORE,
        Severity.TICKET,
        f"{Q.quantile(0.95, storage.TRANSACTIONS, 'kind')} > {STORE_S:g}",
        "5m",
        "10m",
        "The store is slow: {{ $labels.kind }}",
        "The slowest twentieth of its transactions takes {{ $value | humanizeDuration }} or more.",
    ),
    AlertRule(
        "MobulaRecordsLost",
        Part.STORE,
        Severity.PAGE,
        f"{Q.increase(storage.LOST, 'what', window='15m')} > 0",
        "0s",
        "30m",
        "Records of {{ $labels.what }} were lost",
        "About {{ $value | humanize }} records in 15 minutes could not be kept: the store was away "
        "for longer than the buffers last.",
    ),
    AlertRule(
        "MobulaWebhooksFailing",
        Part.WEBHOOKS,
        Severity.TICKET,
        f"{Q.rate(storage.DELIVERIES, outcome=unlike('delivered'))}"
        f" > {Q.rate(storage.DELIVERIES, outcome='delivered')}",
        "10m",
        "30m",
        "More deliveries to webhooks fail than arrive",
        "{{ $value | humanize }} attempts a second fail. Events are tried again for a day, then "
        "their deliveries count as failed.",
    ),
    AlertRule(
        "MobulaJobsStuck",
        Part.JOBS,
        Severity.TICKET,
        f"{Q.aggregate('max', jobs.OLDEST_WAIT)} > {OLDEST_JOB_S:g}",
        "5m",
        "15m",
        "The oldest job has waited for {{ $value | humanizeDuration }}",
        "No worker takes jobs, or all of them are busy with others.",
    ),
    AlertRule(
        "MobulaReplicasDying",
        Part.CLUSTER,
        Severity.PAGE,
        f"{ended(Q.select(process.THREADS), ENDED_WINDOW, (JOB, 'deployment'))} >= "
        f"{ENDED_REPLICAS}",
        "2m",
        "15m",
        "Replicas of {{ $labels.deployment }} end again and again",
        f"{{{{ $value | humanize }}}} of them ended within {ENDED_WINDOW}.",
    ),
    AlertRule(
        "MobulaLoopLag",
        Part.CLUSTER,
        Severity.TICKET,
        f"min_over_time({Q.select(process.LOOP_LAG)}[2m]) > {LOOP_LAG_S:g}",
        "3m",
        "10m",
        "The event loop of a replica of {{ $labels.deployment }} is late",
        "By {{ $value | humanizeDuration }} at least, in {{ $labels.replica }}: everything it does "
        "takes that much longer.",
    ),
    AlertRule(
        "MobulaMemoryLeak",
        Part.CLUSTER,
        Severity.TICKET,
        _leak(),
        "15m",
        "30m",
        "A replica of {{ $labels.deployment }} grows without end",
        "By {{ $value | humanize1024 }}B an hour, in {{ $labels.replica }}.",
    ),
    AlertRule(
        "MobulaScrapeMissing",
        Part.MONITORING,
        Severity.TICKET,
        f"{Q.increase(scrape.MISSING, 'deployment', window='10m')} > 3",
        "5m",
        "15m",
        "Replicas of {{ $labels.deployment }} are missing in scrapes",
        "{{ $value | humanize }} times in 10 minutes one of them did not answer within a second: "
        "what is shown of them is incomplete.",
    ),
    AlertRule(
        "MobulaUnreachable",
        Part.MONITORING,
        Severity.PAGE,
        _unreachable(),
        "2m",
        "5m",
        "Prometheus gets no metrics of Mobula",
        "No ingress replica answered a scrape for 2 minutes: it is down, or Prometheus' key or "
        "address is wrong. No other alert can fire meanwhile.",
    ),
)
