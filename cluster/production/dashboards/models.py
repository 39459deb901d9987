"""Models: calls, times, queues, tokens, failures; of replicas and of providers; text analysis;
recordings."""

from cluster.metrics.catalogue import generation, http, models, process
from cluster.production.dashboards import uids
from cluster.production.dashboards.document_row import build_document_row
from cluster.production.dashboards.media_rows import build_media_row
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
from cluster.production.dashboards.search_row import build_search_row
from cluster.production.dashboards.shared import BREAKERS, UP
from cluster.production.dashboards.text_rows import build_text_row
from cluster.production.promql import JOB, Queries, like, share

Q = Queries({JOB: f"${JOB}", "model": like("$model"), "replica": like("$replica")})


def _times() -> Row:
    first, whole = generation.TIME_TO_FIRST_TOKEN, generation.DURATION
    return Row(
        "Times",
        (
            Panel(
                "First token",
                (
                    Shown(Q.quantile(0.5, first, "model"), "{{model}}, median"),
                    Shown(Q.quantile(0.95, first, "model"), "{{model}}, p95", exemplars=True),
                ),
                thresholds=rising(1, 2.5),
                fills_in="nothing was streamed.",
            ),
            Panel(
                "One token after another",
                (
                    Shown(
                        Q.quantile(0.5, generation.TIME_PER_OUTPUT_TOKEN, "model"),
                        "{{model}}, median",
                    ),
                    Shown(
                        Q.quantile(0.95, generation.TIME_PER_OUTPUT_TOKEN, "model"),
                        "{{model}}, p95",
                    ),
                ),
                fills_in="nothing was streamed.",
            ),
            Panel(
                "What the product adds",
                (Shown(Q.quantile(0.95, http.OVERHEAD, "operation"), "{{operation}}, p95"),),
                thresholds=rising(0.01, 0.05),
            ),
            Panel(
                "Operations by outcome",
                (
                    Shown(
                        Q.rate(http.OPERATIONS, "operation", "outcome"),
                        "{{operation}} {{outcome}}",
                    ),
                ),
                unit=PanelUnit.REQUESTS,
            ),
            Panel(
                "Complete response",
                (
                    Shown(Q.quantile(0.5, whole, "model"), "{{model}}, median"),
                    Shown(Q.quantile(0.95, whole, "model"), "{{model}}, p95"),
                ),
            ),
            Panel(
                "Wait in the queue, p95",
                (
                    Shown(
                        Q.quantile(0.95, generation.QUEUE_WAIT, "model", "priority"),
                        "{{model}} {{priority}}",
                    ),
                ),
                thresholds=rising(1, 5),
            ),
        ),
    )


def _load() -> Row:
    failed = Q.rate(generation.SEQUENCES, "model", outcome="failed")
    ended = Q.rate(generation.SEQUENCES, "model", outcome=like("finished|failed"))
    return Row(
        "Load",
        (
            Panel(
                "Running and waiting",
                (
                    Shown(Q.sum(generation.RUNNING, "model"), "{{model}} running"),
                    Shown(Q.sum(generation.QUEUE_LENGTH, "model"), "{{model}} waiting"),
                ),
            ),
            Panel(
                "Tokens",
                (
                    Shown(
                        Q.rate(generation.TOKENS, "model", "direction"), "{{model}} {{direction}}"
                    ),
                ),
                about="Counted where they are charged.",
            ),
            Panel(
                "Sequences by outcome",
                (Shown(Q.rate(generation.SEQUENCES, "model", "outcome"), "{{model}} {{outcome}}"),),
            ),
            Panel(
                "Failed sequences, of those that ended",
                (Shown(share(failed, ended), "{{model}}"),),
                unit=PanelUnit.RATIO,
                about="Cancelled ones are no failures.",
                maximum=1,
                thresholds=rising(0.01, 0.05),
            ),
        ),
    )


def _engine() -> Row:
    steps = Q.rate(generation.ENGINE_STEPS, "model")
    made = Q.rate(generation.ENGINE_TOKENS, "model")
    return Row(
        "Engine",
        (
            Panel(
                "Sequences in a step",
                (
                    Shown(f"{made} / ({steps} > 0)", "{{model}}, mean"),
                    Shown(Q.sum(generation.ENGINE_RUNNING, "model"), "{{model}} now"),
                    Shown(Q.sum(generation.ENGINE_WAITING, "model"), "{{model}} waiting"),
                ),
                unit=PanelUnit.COUNT,
                about="The larger the batch, the cheaper a token.",
            ),
            Panel(
                "Steps and tokens",
                (
                    Shown(steps, "{{model}} steps"),
                    Shown(made, "{{model}} tokens"),
                ),
            ),
            Panel(
                "Key-value cache: used",
                (Shown(Q.aggregate("max", generation.KV_USED, "model"), "{{model}}"),),
                maximum=1,
                thresholds=rising(0.8, 0.95),
                about="The fullest replica of a model.",
                fills_in="no engine says how much it holds.",
            ),
        ),
    )


def _calls() -> Row:
    return Row(
        "Calls",
        (
            Panel(
                "Calls",
                (
                    Shown(Q.rate(models.CALLS, "model"), "{{model}}"),
                    Shown(Q.rate(models.ATTEMPTS, "model"), "{{model}} attempts"),
                    Shown(Q.rate(models.LINKS_BY_HANDLE, "model"), "{{model}} by handle"),
                ),
                unit=PanelUnit.REQUESTS,
                about="A call by handle costs more than one over a link.",
            ),
            Panel(
                "Retries, hedges, fallbacks",
                (
                    Shown(Q.rate(models.RETRIES, "model"), "{{model}} retries"),
                    Shown(Q.rate(models.HEDGES, "model"), "{{model}} hedges"),
                    Shown(Q.rate(models.FALLBACKS, "model"), "{{model}} fallbacks"),
                    Shown(Q.rate(models.REFUSED, "model"), "{{model}} refused by its breaker"),
                ),
            ),
            Panel(
                "Circuit breakers",
                (Shown(Q.aggregate("max", models.BREAKER, "model"), "{{model}}"),),
                PanelKind.STATES,
                texts=BREAKERS,
                thresholds=rising(1, 2),
                about="The worst of all ingress replicas.",
            ),
            Panel(
                "Breakers opened and closed",
                (Shown(Q.rate(models.BREAKER_TRANSITIONS, "model", "to"), "{{model}} {{to}}"),),
            ),
            Panel(
                "Why a replica was chosen",
                (
                    Shown(
                        Q.rate(models.ROUTED, "deployment", "choice"), "{{deployment}} {{choice}}"
                    ),
                ),
            ),
            Panel(
                "Links",
                (
                    Shown(Q.sum(models.LINKS, "model"), "{{model}} up"),
                    Shown(Q.rate(models.LINKS_OPENED, "model"), "{{model}} opened, a second"),
                    Shown(
                        Q.rate(models.LINKS_FAILED, "model"), "{{model}} failed to open, a second"
                    ),
                ),
                unit=PanelUnit.COUNT,
            ),
            Panel(
                "Replicas without calls",
                (Shown(Q.aggregate("max", models.EJECTED, "deployment"), "{{deployment}}"),),
                thresholds=ANY_IS_WRONG,
                unit=PanelUnit.COUNT,
                about="The most that one ingress replica has ejected.",
            ),
        ),
    )


def _providers() -> Row:
    without = "no model is a provider's."
    return Row(
        "Providers",
        (
            Panel(
                "Attempts by outcome",
                (
                    Shown(
                        Q.rate(models.PROVIDER_ATTEMPTS, "model", "outcome"),
                        "{{model}} {{outcome}}",
                    ),
                ),
                width=12,
                fills_in=without,
            ),
            Panel(
                "Upstreams",
                (
                    Shown(
                        Q.aggregate("min", models.UPSTREAM_UP, "model", "upstream"),
                        "{{model}} {{upstream}}",
                    ),
                ),
                PanelKind.STATES,
                texts=UP,
                thresholds=falling(0.5, 1),
                width=12,
                fills_in=without,
            ),
        ),
    )


DASHBOARD = Dashboard(
    uids.MODELS,
    "Mobula: models",
    "What models do for callers: times, load, failures, providers.",
    (
        _times(),
        _load(),
        _calls(),
        _engine(),
        _providers(),
        build_text_row(),
        build_media_row(),
        build_search_row(),
        build_document_row(),
    ),
    (DashboardVariable("model", models.CALLS), DashboardVariable("replica", process.CPU)),
)
