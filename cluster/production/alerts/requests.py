"""Rules about what callers notice: failed and slow requests, of models and of tenants."""

from cluster.metrics.catalogue import generation, health, http, models, tenants
from cluster.production.alerts.rule import AlertRule, ClusterPart, Severity
from cluster.production.alerts.slo import BURNS, Burn, Objectives, Slo, slos
from cluster.production.alerts.thresholds import FAILED_SHARE, QUEUE_WAIT_S
from cluster.production.promql import JOB, Queries, like, share

Q = Queries(keep=(JOB,), window="5m")
_ANSWERED = like("ok|client_error|server_error")
_FEWEST = 0.05  # events a second; a share of fewer says little


def rules(objectives: Objectives) -> tuple[AlertRule, ...]:
    """Raises WrongQuery as slos does."""
    burning = [_burn(slo, burn) for slo in slos(objectives) for burn in BURNS]
    return (*burning, *CAUSES)


_HOW_FAST = {14.4: "14 times as fast as it may", 6: "6 times as fast as it may", 1: "too fast"}
_SPEED = {"page": {"1h": "Fast", "6h": "Medium"}, "ticket": {"3d": "Slow"}}
_CONSEQUENCE = {
    "availability": "Requests fail at the server: {{ $value | humanizePercentage }} of them over "
    "the last {window}, where {budget:.2%} is what the objective allows.",
    "first_token": "Streams begin late: {{ $value | humanizePercentage }} of them over the last "
    "{window}, where {budget:.2%} is what the objective allows.",
}


def _burn(slo: Slo, burn: Burn) -> AlertRule:
    speed = _SPEED[burn.severity][burn.long]
    text = _CONSEQUENCE[slo.name].replace("{window}", burn.long)
    return AlertRule(
        f"Mobula{slo.title.title().replace(' ', '')}Burn{speed}",
        ClusterPart.API if slo.name == "availability" else ClusterPart.MODELS,
        Severity(burn.severity),
        burn.expression(slo),
        burn.wait,
        burn.keep,
        f"{slo.title}: the error budget burns {_HOW_FAST[burn.factor]}",
        text.replace("{budget:.2%}", f"{slo.budget:.2%}"),
        f"{slo.name.replace('_', '-')}-burn",
    )


def _failed_of_a_model() -> str:
    failed = Q.rate(generation.SEQUENCES, "model", outcome="failed")
    ended = Q.rate(generation.SEQUENCES, "model", outcome=like("finished|failed"))
    return f"{share(failed, ended)} > {FAILED_SHARE:g} and {ended} > {_FEWEST:g}"


def _failed_of_a_tenant() -> str:
    """A tenant for whom nearly everything fails, while for all together it does not."""
    failed = Q.rate(tenants.REQUESTS, "tenant", outcome="server_error")
    answered = Q.rate(tenants.REQUESTS, "tenant", outcome=_ANSWERED)
    every = Q.rate(http.OUTCOMES, outcome=_ANSWERED)
    others = share(Q.rate(http.OUTCOMES, outcome="server_error"), every)
    return (
        f"{share(failed, answered)} > 0.5 and {failed} > {_FEWEST:g} and on ({JOB}) {others} < 0.5"
    )


CAUSES = (
    AlertRule(
        "MobulaModelFailing",
        ClusterPart.MODELS,
        Severity.PAGE,
        _failed_of_a_model(),
        "2m",
        "10m",
        "Model {{ $labels.model }} fails",
        "{{ $value | humanizePercentage }} of the sequences of {{ $labels.model }} failed in the "
        "last 5 minutes.",
    ),
    AlertRule(
        "MobulaBreakerOpen",
        ClusterPart.MODELS,
        Severity.PAGE,
        f"{Q.aggregate('max', models.BREAKER, 'model')} == 2",
        "1m",
        "5m",
        "The circuit breaker of model {{ $labels.model }} is open",
        "Calls of {{ $labels.model }} failed so often that an ingress replica makes none: callers "
        "get a fallback model or 503.",
    ),
    AlertRule(
        "MobulaModelDown",
        ClusterPart.MODELS,
        Severity.PAGE,
        f"{Q.aggregate('min', health.UP, 'dependency', dependency=like('model:.*'))} == 0",
        "2m",
        "10m",
        "{{ $labels.dependency }} answers nobody",
        "It has no replica or upstream that works: requests for it go to its fallback models or "
        "answer 503.",
    ),
    AlertRule(
        "MobulaProviderDown",
        ClusterPart.MODELS,
        Severity.PAGE,
        f"{Q.aggregate('min', models.UPSTREAM_UP, 'model', 'upstream')} == 0",
        "2m",
        "10m",
        "Upstream {{ $labels.upstream }} of model {{ $labels.model }} does not answer",
        "Calls of {{ $labels.model }} go to its other upstreams and fallbacks, or answer 502.",
    ),
    AlertRule(
        "MobulaQueueWait",
        ClusterPart.MODELS,
        Severity.TICKET,
        f"{Q.quantile(0.95, generation.QUEUE_WAIT, 'model')} > {QUEUE_WAIT_S:g}",
        "5m",
        "10m",
        "Requests for {{ $labels.model }} wait for a slot",
        "The slowest twentieth waited {{ $value | humanizeDuration }} or more in the last 5 "
        "minutes.",
    ),
    AlertRule(
        "MobulaTenantFailing",
        ClusterPart.TENANTS,
        Severity.TICKET,
        _failed_of_a_tenant(),
        "5m",
        "15m",
        "Requests of tenant {{ $labels.tenant }} fail",
        "{{ $value | humanizePercentage }} of the requests of {{ $labels.tenant }} failed at the "
        "server in the last 5 minutes, while others' do not.",
    ),
)
