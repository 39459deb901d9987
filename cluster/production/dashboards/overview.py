"""The overview: how it goes, and which part is at fault when it does not.

The row "What is wrong" has one panel for each part, so that this dashboard alone says which of them
it is; the link of a panel leads to the dashboard of that part.
"""

from cluster.metrics.catalogue import (
    generation,
    http,
    jobs,
    limits,
    models,
    process,
    scrape,
    storage,
    tenants,
)
from cluster.metrics.metric import REPLICA
from cluster.production.dashboards import uids
from cluster.production.dashboards.panel import (
    ANY_IS_WRONG,
    Color,
    Dashboard,
    Panel,
    PanelKind,
    Row,
    Shown,
    Unit,
    falling,
    rising,
)
from cluster.production.dashboards.selectors import firing_alerts
from cluster.production.promql import JOB, Queries, ended, like, share, unlike

Q = Queries({JOB: f"${JOB}"})
BREAKERS = {0: ("closed", Color.GREEN), 1: ("half open", Color.YELLOW), 2: ("open", Color.RED)}
UP = {0: ("away", Color.RED), 1: ("up", Color.GREEN)}
GROWTH_WINDOW = "30m"
_GOOD = like("ok|client_error|server_error")


def available(window: str) -> str:
    """The share of requests that the server did not fail."""
    failed = Q.increase(http.OUTCOMES, window=window, outcome="server_error")
    return f"1 - {share(failed, Q.increase(http.OUTCOMES, window=window, outcome=_GOOD))}"


def _glance() -> Row:
    first = Q.quantile(0.95, generation.TIME_TO_FIRST_TOKEN)
    return Row(
        "At a glance",
        (
            Panel(
                "Requests",
                (Shown(Q.rate(http.OUTCOMES), ""),),
                PanelKind.STAT,
                Unit.REQUESTS,
                width=4,
                height=4,
            ),
            Panel(
                "Availability",
                (Shown(available("$__range"), ""),),
                PanelKind.STAT,
                Unit.RATIO,
                about="In the range shown: requests that the server answered without a failure of "
                "its own. Those over their limits and those whose client left do not count.",
                width=4,
                height=4,
                decimals=3,
                minimum=None,
                thresholds=falling(0.99, 0.999),
                link=uids.SLO,
            ),
            Panel(
                "First token, p95",
                (Shown(first, ""),),
                PanelKind.STAT,
                width=4,
                height=4,
                thresholds=rising(1, 2.5),
                link=uids.MODELS,
                fills_in="nothing was streamed.",
            ),
            Panel(
                "Tokens",
                (Shown(Q.rate(generation.TOKENS), ""),),
                PanelKind.STAT,
                width=4,
                height=4,
                link=uids.MODELS,
            ),
            Panel(
                "Open requests",
                (Shown(Q.sum(http.OPEN), ""),),
                PanelKind.STAT,
                width=4,
                height=4,
            ),
            Panel(
                "Alerts",
                (Shown(f"count({firing_alerts()}) or vector(0)", ""),),
                PanelKind.STAT,
                Unit.COUNT,
                about="Alerts that fire.",
                width=4,
                height=4,
                thresholds=ANY_IS_WRONG,
            ),
        ),
    )


def _wrong() -> Row:
    gone = ended(Q.select(process.THREADS), GROWTH_WINDOW, ("deployment",))
    growth = (
        f"max by (deployment, {REPLICA})"
        f" (deriv({Q.select(process.MEMORY)}[{GROWTH_WINDOW}])) * 3600"
    )
    return Row(
        "What is wrong",
        (
            Panel(
                "Alerts that fire, by part",
                (Shown(f"count by (part, alertname, severity) ({firing_alerts()})", ""),),
                PanelKind.TABLE,
                Unit.COUNT,
                about="The name leads to docs/runbooks.",
                columns=("part", "alertname", "severity"),
                value_name="Series",
                fills_in="no alert fires.",
            ),
            Panel(
                "Models: failed calls",
                (
                    Shown(Q.rate(generation.SEQUENCES, "model", outcome="failed"), "{{model}}"),
                    Shown(Q.rate(models.REFUSED, "model"), "{{model}}, refused by its breaker"),
                    Shown(
                        Q.rate(models.PROVIDER_ATTEMPTS, "model", outcome="failed"),
                        "{{model}}, at its provider",
                    ),
                ),
                thresholds=ANY_IS_WRONG,
                link=uids.MODELS,
            ),
            Panel(
                "Models: circuit breakers",
                (Shown(Q.aggregate("max", models.BREAKER, "model"), "{{model}}"),),
                PanelKind.STATES,
                texts=BREAKERS,
                thresholds=rising(1, 2),
                link=uids.MODELS,
            ),
            Panel(
                "Tenants: failures and refusals",
                (
                    Shown(
                        f"topk(5, {Q.rate(tenants.REQUESTS, 'tenant', outcome='server_error')})",
                        "{{tenant}}, failed",
                    ),
                    Shown(
                        "topk(5, "
                        + Q.rate(tenants.REQUESTS, "tenant", outcome=like("client_error|limited"))
                        + ")",
                        "{{tenant}}, refused",
                    ),
                ),
                about="The five tenants with the most of each.",
                link=uids.TENANTS,
            ),
            Panel(
                "Problems",
                (
                    Shown(
                        f"topk(8, {Q.rate(http.PROBLEMS, 'problem')})",
                        "{{problem}}",
                    ),
                ),
                about="By the slug of the answer; docs/decisions/0001-problems.md.",
            ),
            Panel(
                "Store",
                (
                    Shown(Q.quantile(0.95, storage.TRANSACTIONS, "kind"), "{{kind}}, p95"),
                    Shown(f"1 - {Q.aggregate('min', storage.UP)}", "away for a replica"),
                ),
                unit=Unit.SECONDS,
                thresholds=rising(0.25, 1),
                link=uids.CLUSTER,
            ),
            Panel(
                "Limits",
                (Shown(Q.aggregate("min", limits.AUTHORITY_UP), "authority of limits"),),
                PanelKind.STATES,
                texts=UP,
                thresholds=falling(0.5, 1),
                link=uids.CACHE_AND_LIMITS,
            ),
            Panel(
                "Webhooks",
                (
                    Shown(
                        Q.rate(storage.DELIVERIES, "outcome", outcome=unlike("delivered")),
                        "{{outcome}}",
                    ),
                    Shown(Q.rate(storage.DELIVERIES, outcome="delivered"), "delivered"),
                ),
                link=uids.JOBS_AND_VIDEO,
            ),
            Panel(
                "Jobs",
                (Shown(Q.aggregate("max", jobs.OLDEST_WAIT), "oldest queued job has waited"),),
                thresholds=rising(300, 900),
                link=uids.JOBS_AND_VIDEO,
                fills_in="video is off.",
            ),
            Panel(
                "Memory: growth an hour",
                (Shown(f"topk(5, {growth})", "{{deployment}} {{replica}}"),),
                unit=Unit.BYTES,
                about=f"Of the five processes that grew fastest in {GROWTH_WINDOW}. A process that "
                "has just started grows too; a leak does not end.",
                thresholds=rising(50 << 20, 200 << 20),
                minimum=None,
                link=uids.CLUSTER,
            ),
            Panel(
                "Replicas that ended",
                (Shown(gone, "{{deployment}}"),),
                unit=Unit.COUNT,
                about=f"In {GROWTH_WINDOW}; a rolling update ends each one once.",
                thresholds=rising(1, 3),
                link=uids.CLUSTER,
            ),
            Panel(
                "Processes: event loop lag",
                (
                    Shown(
                        Q.aggregate("max", process.LOOP_LAG, "deployment"),
                        "{{deployment}}",
                    ),
                ),
                thresholds=rising(0.1, 0.5),
                link=uids.CLUSTER,
            ),
            Panel(
                "Records lost; replicas not scraped",
                (
                    Shown(Q.rate(storage.LOST, "what"), "{{what}} lost"),
                    Shown(Q.rate(scrape.MISSING, "deployment"), "{{deployment}} not scraped"),
                ),
                thresholds=ANY_IS_WRONG,
                link=uids.CLUSTER,
                fills_in="nothing was lost, and every replica answered.",
            ),
        ),
    )


def _traffic() -> Row:
    return Row(
        "Traffic",
        (
            Panel(
                "Requests by outcome",
                (Shown(Q.rate(http.OUTCOMES, "outcome"), "{{outcome}}"),),
                unit=Unit.REQUESTS,
                is_stacked=True,
            ),
            Panel(
                "Time of a request",
                (
                    Shown(Q.quantile(0.5, http.DURATION), "median", exemplars=True),
                    Shown(Q.quantile(0.95, http.DURATION), "p95", exemplars=True),
                    Shown(Q.quantile(0.99, http.DURATION), "p99"),
                ),
                about="Streams, waits for jobs and feeds included: the models' dashboard has the "
                "times of generations.",
            ),
            Panel(
                "Tokens by model",
                (
                    Shown(
                        Q.rate(generation.TOKENS, "model", "direction"), "{{model}} {{direction}}"
                    ),
                ),
                link=uids.MODELS,
            ),
            Panel(
                "Requests by route",
                (Shown(f"topk(10, {Q.rate(http.REQUESTS, 'route')})", "{{route}}"),),
                unit=Unit.REQUESTS,
            ),
            Panel(
                "Failed requests by route",
                (
                    Shown(
                        Q.rate(http.REQUESTS, "route", "code", code=like("5..")),
                        "{{route}} {{code}}",
                    ),
                ),
                unit=Unit.REQUESTS,
                fills_in="nothing failed.",
            ),
            Panel(
                "Bytes of responses",
                (Shown(f"topk(10, {Q.rate(http.RESPONSE_BYTES, 'route')})", "{{route}}"),),
            ),
        ),
    )


DASHBOARD = Dashboard(
    uids.OVERVIEW,
    "Mobula: overview",
    "How the cluster serves, and which part is at fault when it does not.",
    (_glance(), _wrong(), _traffic()),
)
