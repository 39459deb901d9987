"""The overview's row "What is wrong": which part is at fault, without another dashboard."""

from functools import partial

from cluster.metrics.catalogue import (
    generation,
    health,
    http,
    jobs,
    limits,
    logs,
    models,
    process,
    scaling,
    scrape,
    storage,
    tenants,
)
from cluster.production.dashboards import uids
from cluster.production.dashboards.panel import (
    ANY_IS_WRONG,
    Panel,
    PanelKind,
    PanelUnit,
    Row,
    Shown,
    falling,
    rising,
)
from cluster.production.dashboards.selectors import firing_alerts
from cluster.production.dashboards.shared import (
    BREAKERS,
    GROWTH_WINDOW,
    STATES,
    free_disk,
    memory_growth,
)
from cluster.production.promql import JOB, Queries, ended, like, or_zero, unlike

Q = Queries({JOB: f"${JOB}"})
_TARGET = Q.aggregate("max", scaling.TARGET, "deployment")
_READY = Q.aggregate("max", scaling.REPLICAS, "deployment", state="ready")


def faults() -> Row:
    """One panel for each part that can be at fault."""
    gone = ended(Q.select(process.THREADS), GROWTH_WINDOW, ("deployment",))
    budgets = Q.aggregate("max", limits.BUDGET_USED, "tenant", "limit")
    growth = memory_growth(Q)
    of_tenants = partial(Q.rate, tenants.REQUESTS, "tenant")
    return Row(
        "What is wrong",
        (
            Panel(
                "Alerts that fire, by part",
                (Shown(f"count by (part, alertname, severity) ({firing_alerts()})", ""),),
                PanelKind.TABLE,
                PanelUnit.COUNT,
                about="The name leads to docs/runbooks.",
                columns=("part", "alertname", "severity"),
                value_name="Series",
                height=11,
                fills_in="no alert fires.",
            ),
            Panel(
                "Dependencies",
                (Shown(Q.aggregate("min", health.UP, "dependency"), "{{dependency}}"),),
                PanelKind.STATES,
                about="As the replica sees it to which it is worst; `./mobula health` says why and "
                "what that means for callers.",
                texts=STATES,
                thresholds=falling(0.5, 1),
                width=16,
                height=11,
                link=uids.CLUSTER,
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
                "Deployments: replicas that are missing",
                (
                    Shown(
                        f"clamp_min({_TARGET} - on (deployment) {or_zero(_READY, _TARGET)}, 0)",
                        "{{deployment}}",
                    ),
                ),
                unit=PanelUnit.COUNT,
                about="Of those that a deployment is to have.",
                thresholds=ANY_IS_WRONG,
                link=uids.CLUSTER,
            ),
            Panel(
                "Tenants: failed",
                (Shown(f"topk(5, {of_tenants(outcome='server_error')})", "{{tenant}}"),),
                about="The five tenants with the most. One alone: what it sends is at fault.",
                thresholds=ANY_IS_WRONG,
                link=uids.TENANTS,
                fills_in="nothing failed.",
            ),
            Panel(
                "Tenants: refused",
                (
                    Shown(
                        f"topk(5, {of_tenants(outcome=like('client_error|limited'))})",
                        "{{tenant}}",
                    ),
                ),
                about="The five tenants with the most wrong requests and reached limits.",
                link=uids.TENANTS,
                fills_in="nothing was refused.",
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
                "Budgets: used",
                (
                    Shown(
                        f"topk(10, {budgets})",
                        "{{tenant}}: {{limit}}",
                    ),
                ),
                maximum=1,
                thresholds=rising(0.8, 0.95),
                link=uids.TENANTS,
                fills_in="no budget is half spent.",
            ),
            Panel(
                "Store",
                (
                    Shown(Q.quantile(0.95, storage.TRANSACTIONS, "kind"), "{{kind}}, p95"),
                    Shown(f"1 - {Q.aggregate('min', storage.UP)}", "away for a replica"),
                ),
                unit=PanelUnit.SECONDS,
                thresholds=rising(0.25, 1),
                link=uids.CLUSTER,
            ),
            Panel(
                "Limits",
                (
                    Shown(Q.quantile(0.95, limits.EXCHANGES), "exchange of credits, p95"),
                    Shown(f"1 - {Q.aggregate('min', limits.AUTHORITY_UP)}", "away for a replica"),
                ),
                unit=PanelUnit.SECONDS,
                thresholds=rising(0.25, 1),
                link=uids.CACHE_AND_LIMITS,
            ),
            Panel(
                "Disks: free",
                (Shown(free_disk(Q), "{{node}} {{disk}}"),),
                unit=PanelUnit.RATIO,
                maximum=1,
                thresholds=falling(0.05, 0.15),
                link=uids.CLUSTER,
            ),
            Panel(
                "Webhooks: not delivered",
                (
                    Shown(
                        Q.rate(storage.DELIVERIES, "outcome", outcome=unlike("delivered")),
                        "{{outcome}}",
                    ),
                ),
                thresholds=ANY_IS_WRONG,
                link=uids.JOBS_AND_VIDEO,
                fills_in="every delivery arrived.",
            ),
            Panel(
                "Webhooks: due",
                (Shown(Q.aggregate("max", storage.WEBHOOK_OLDEST), "oldest has been due for"),),
                thresholds=rising(60, 600),
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
                unit=PanelUnit.BYTES,
                about=f"Of the five processes that grew fastest in {GROWTH_WINDOW}. A process that "
                "has just started grows too; a leak does not end.",
                thresholds=rising(50 << 20, 200 << 20),
                minimum=None,
                link=uids.CLUSTER,
            ),
            Panel(
                "Replicas that ended",
                (Shown(gone, "{{deployment}}"),),
                unit=PanelUnit.COUNT,
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
                "Errors logged; what is lost",
                (
                    Shown(Q.rate(logs.ERRORS), "errors logged, a second"),
                    Shown(Q.rate(storage.LOST, "what"), "{{what}} lost, a second"),
                    Shown(
                        Q.aggregate("max", scrape.MISSING_NOW, "deployment"),
                        "{{deployment}}: not scraped now",
                    ),
                ),
                unit=PanelUnit.COUNT,
                thresholds=ANY_IS_WRONG,
                link=uids.CLUSTER,
            ),
        ),
    )
