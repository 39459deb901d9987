"""Rules about work and processes: budgets, jobs, webhooks, replicas, the scrape."""

from cluster.metrics.catalogue import jobs, limits, process, scaling, scrape, search, storage
from cluster.metrics.metric import REPLICA
from cluster.production.alerts.rule import AlertRule, ClusterPart, Severity
from cluster.production.alerts.thresholds import (
    BUDGET,
    ENDED_REPLICAS,
    ENDED_WINDOW,
    EVICTED_SHARE,
    LEAK_BYTES_PER_HOUR,
    LEAK_WINDOW,
    LOOP_LAG_S,
    OLDEST_DELIVERY_S,
    OLDEST_JOB_S,
    STALE_STATUS_S,
)
from cluster.production.promql import JOB, Queries, ended, exceeds, like, or_zero, share, unlike

Q = Queries(keep=(JOB,), window="5m")
_EACH = (JOB, "deployment", REPLICA)
INGRESS = "Ingress"


def _leak() -> str:
    """Of a process that was there for the whole window, so that one which is only warming up is
    not meant."""
    memory, by = Q.select(process.MEMORY), ", ".join(_EACH)
    growth = f"max by ({by}) (deriv({memory}[{LEAK_WINDOW}])) * 3600"
    return f"{growth} > {LEAK_BYTES_PER_HOUR} and max by ({by}) ({memory} offset {LEAK_WINDOW}) > 0"


def _missing_replicas() -> str:
    target = Q.aggregate("max", scaling.TARGET, "deployment")
    ready = Q.aggregate("max", scaling.REPLICAS, "deployment", state="ready")
    return f"{target} - {or_zero(ready, target)} > 0"


def _failing_deliveries() -> str:
    failed = Q.rate(storage.DELIVERIES, outcome=unlike("delivered"))
    return exceeds(failed, Q.rate(storage.DELIVERIES, outcome="delivered"))


def _failing_jobs() -> str:
    failed = Q.observed(jobs.DURATION, "kind", window="15m", outcome=like("failed|lost"))
    finished = Q.observed(jobs.DURATION, "kind", window="15m", outcome="finished")
    return exceeds(failed, finished)


def _searches_from_store() -> str:
    """Part of the searches for which a collection left the memory."""
    evicted, searched = Q.rate(search.EVICTIONS), Q.rate(search.SEARCHES)
    return f"{share(evicted, searched)} > {EVICTED_SHARE:g}"


def _dying() -> str:
    """Ingress replicas count the deaths of replicas; their own too, unless they are so few that
    none of them outlives the others: then it is the series that come to an end, and a deploy, which
    ends each of them once, does not make up the number."""
    of_ingress = {"deployment": INGRESS}
    died = Q.shared_increase(scaling.DIED, "deployment", window=ENDED_WINDOW)
    gone = ended(Q.select(process.THREADS, **of_ingress), ENDED_WINDOW, (JOB, "deployment"))
    few = f"{Q.aggregate('max', scaling.TARGET, **of_ingress)} < {ENDED_REPLICAS}"
    return f"{died} >= {ENDED_REPLICAS} or ({gone} >= {ENDED_REPLICAS} and on ({JOB}) {few})"


RULES = (
    AlertRule(
        "MobulaBudgetNearEnd",
        ClusterPart.TENANTS,
        Severity.INFO,
        f"{Q.aggregate('max', limits.BUDGET_USED, 'tenant', 'limit')} > {BUDGET:g}",
        "0s",
        "30m",
        "Tenant {{ $labels.tenant }} has used up nearly all of a budget",
        "{{ $value | humanizePercentage }} of {{ $labels.limit }}; what goes beyond is refused.",
    ),
    AlertRule(
        "MobulaJobsStuck",
        ClusterPart.JOBS,
        Severity.TICKET,
        f"{Q.aggregate('max', jobs.OLDEST_WAIT)} > {OLDEST_JOB_S:g}",
        "5m",
        "15m",
        "The oldest job has waited for {{ $value | humanizeDuration }}",
        "No worker takes jobs, or all of them are busy with others.",
    ),
    AlertRule(
        "MobulaJobsFailing",
        ClusterPart.JOBS,
        Severity.TICKET,
        _failing_jobs(),
        "5m",
        "30m",
        "More jobs of {{ $labels.kind }} fail than finish",
        '{{ printf "%.2g" $value }} attempts a second fail or lose their worker.',
    ),
    AlertRule(
        "MobulaWebhooksFailing",
        ClusterPart.WEBHOOKS,
        Severity.TICKET,
        _failing_deliveries(),
        "10m",
        "30m",
        "More deliveries to webhooks fail than arrive",
        '{{ printf "%.2g" $value }} attempts a second fail. Each is tried again for hours.',
    ),
    AlertRule(
        "MobulaWebhooksBacklog",
        ClusterPart.WEBHOOKS,
        Severity.TICKET,
        f"{Q.aggregate('max', storage.WEBHOOK_OLDEST)} > {OLDEST_DELIVERY_S:g}",
        "5m",
        "15m",
        "Deliveries to webhooks are late",
        "The oldest has been due for {{ $value | humanizeDuration }}.",
    ),
    AlertRule(
        "MobulaSearchMemoryShort",
        ClusterPart.CLUSTER,
        Severity.TICKET,
        _searches_from_store(),
        "15m",
        "30m",
        "Searches wait for collections that are not in memory",
        "For {{ $value | humanizePercentage }} of the searches another collection left the memory.",
    ),
    AlertRule(
        "MobulaReplicasDying",
        ClusterPart.CLUSTER,
        Severity.PAGE,
        _dying(),
        "2m",
        "15m",
        "Replicas of {{ $labels.deployment }} end again and again",
        f'{{{{ printf "%.0f" $value }}}} of them ended within {ENDED_WINDOW}, without a deploy or '
        "the scaling that asked for it.",
    ),
    AlertRule(
        "MobulaReplicasMissing",
        ClusterPart.CLUSTER,
        Severity.TICKET,
        _missing_replicas(),
        "10m",
        "15m",
        "{{ $labels.deployment }} has fewer replicas than it is to have",
        "{{ $value | humanize }} are missing: no room for them on the nodes, or they do not start.",
    ),
    AlertRule(
        "MobulaControllerSilent",
        ClusterPart.CLUSTER,
        Severity.PAGE,
        f"{Q.aggregate('max', scaling.STATUS_AGE)} > {STALE_STATUS_S:g}",
        "2m",
        "5m",
        "Serve's controller has said nothing for {{ $value | humanizeDuration }}",
        "Nothing scales and dead replicas are not replaced until it is back; requests go on.",
    ),
    AlertRule(
        "MobulaLoopLag",
        ClusterPart.CLUSTER,
        Severity.TICKET,
        f"{Q.select(process.LOOP_LAG)} > {LOOP_LAG_S:g}",
        "5m",
        "10m",
        "The event loop of a replica of {{ $labels.deployment }} is late",
        "By {{ $value | humanizeDuration }}, in {{ $labels.replica }}: everything it does takes "
        "that much longer.",
    ),
    AlertRule(
        "MobulaMemoryLeak",
        ClusterPart.CLUSTER,
        Severity.TICKET,
        _leak(),
        "15m",
        "30m",
        "A replica of {{ $labels.deployment }} grows without end",
        "By {{ $value | humanize1024 }}B an hour, in {{ $labels.replica }}.",
    ),
    AlertRule(
        "MobulaScrapeMissing",
        ClusterPart.MONITORING,
        Severity.TICKET,
        f"{Q.aggregate('max', scrape.MISSING_NOW, 'deployment')} > 0",
        "5m",
        "15m",
        "Replicas of {{ $labels.deployment }} are missing in scrapes",
        "{{ $value | humanize }} run, and do not answer within a second: what is shown of them is "
        "incomplete.",
    ),
    AlertRule(
        "MobulaUnreachable",
        ClusterPart.MONITORING,
        Severity.PAGE,
        f"absent({scrape.BUILD.name})",
        "2m",
        "5m",
        "Prometheus gets no metrics of Mobula",
        "No ingress replica answers its scrapes: it is down, or Prometheus' key or address is "
        "wrong. No other alert can fire meanwhile.",
    ),
)
