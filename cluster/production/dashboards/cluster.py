"""The cluster: processes, the store, the scrape."""

from cluster.metrics.catalogue import credentials, logs, process, scrape, storage, tracing
from cluster.production.dashboards import uids
from cluster.production.dashboards.cluster_rows import Q, dependencies, deployments, nodes
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
from cluster.production.dashboards.shared import UP, memory_growth

DAY_S = 86_400
_EACH = "{{deployment}} {{replica}}"


def _logs() -> Row:
    return Row(
        "Logs and traces",
        (
            Panel(
                "Errors",
                (Shown(Q.rate(logs.ERRORS, "replica"), "{{replica}}"),),
                thresholds=ANY_IS_WRONG,
            ),
            Panel(
                "Different errors",
                (Shown(Q.aggregate("max", logs.ERROR_GROUPS, "replica"), "{{replica}}"),),
            ),
            Panel(
                "Lines lost or left out",
                (
                    Shown(Q.rate(logs.LINES_LOST, "log"), "{{log}} lost"),
                    Shown(Q.rate(logs.LINES_SUPPRESSED), "repeated, left out"),
                ),
            ),
            Panel(
                "Traces recorded",
                (
                    Shown(Q.rate(tracing.RECORDED, "reason"), "{{reason}}"),
                    Shown(Q.rate(tracing.DROPPED, "reason"), "{{reason}}, too many in a second"),
                ),
            ),
            Panel(
                "Sent to a collector",
                (Shown(Q.rate(tracing.EXPORTED, "signal", "outcome"), "{{signal}} {{outcome}}"),),
                fills_in="there is no collector.",
            ),
        ),
    )


def _processes() -> Row:
    return Row(
        "Processes",
        (
            Panel(
                "Replicas",
                (Shown(Q.aggregate("max", scrape.REPLICAS, "deployment"), "{{deployment}}"),),
                about="One ingress replica asks all others at each scrape.",
            ),
            Panel(
                "CPU",
                (Shown(Q.rate(process.CPU, "deployment"), "{{deployment}}"),),
                unit=PanelUnit.COUNT,
                about="In cores.",
                is_stacked=True,
            ),
            Panel(
                "CPU of a replica",
                (Shown(Q.rate(process.CPU, "deployment", "replica"), _EACH),),
                unit=PanelUnit.COUNT,
                about="In cores: an event loop is full at one.",
                thresholds=rising(0.8, 0.95),
            ),
            Panel(
                "Memory",
                (Shown(Q.sum(process.MEMORY, "deployment", "replica"), _EACH),),
                is_stacked=True,
            ),
            Panel(
                "Memory: growth an hour",
                (Shown(memory_growth(Q), _EACH),),
                unit=PanelUnit.BYTES,
                minimum=None,
                thresholds=rising(50 << 20, 200 << 20),
            ),
            Panel(
                "Event loop lag",
                (Shown(Q.aggregate("max", process.LOOP_LAG, "deployment", "replica"), _EACH),),
                thresholds=rising(0.1, 0.5),
            ),
            Panel(
                "Age of processes",
                (
                    Shown(
                        f"time() - {Q.aggregate('max', process.STARTED, 'deployment', 'replica')}",
                        _EACH,
                    ),
                ),
                unit=PanelUnit.SECONDS,
            ),
            Panel(
                "Open files",
                (Shown(Q.sum(process.OPEN_FILES, "deployment", "replica"), _EACH),),
            ),
            Panel(
                "Threads",
                (Shown(Q.sum(process.THREADS, "deployment", "replica"), _EACH),),
            ),
        ),
    )


def _store() -> Row:
    return Row(
        "Store",
        (
            Panel(
                "Transactions",
                (Shown(Q.observed(storage.TRANSACTIONS, "kind"), "{{kind}}"),),
                unit=PanelUnit.EVENTS,
            ),
            Panel(
                "Time of a transaction",
                (
                    Shown(Q.quantile(0.5, storage.TRANSACTIONS, "kind"), "{{kind}}, median"),
                    Shown(Q.quantile(0.95, storage.TRANSACTIONS, "kind"), "{{kind}}, p95"),
                ),
                thresholds=rising(0.25, 1),
            ),
            Panel(
                "Reached",
                (Shown(Q.aggregate("min", storage.UP, "replica"), "{{replica}}"),),
                PanelKind.STATES,
                texts=UP,
                thresholds=falling(0.5, 1),
            ),
            Panel(
                "Usage has waited for the ledger",
                (Shown(Q.aggregate("max", storage.LEDGER_BEHIND), "longest"),),
                thresholds=rising(10, 60),
            ),
            Panel(
                "Unavailable; records lost",
                (
                    Shown(Q.rate(storage.UNAVAILABLE), "store not reached"),
                    Shown(Q.rate(storage.LOST, "what"), "{{what}} lost"),
                ),
                thresholds=ANY_IS_WRONG,
            ),
        ),
    )


def _expiries() -> Row:
    return Row(
        "What expires",
        (
            Panel(
                "TLS certificate: left",
                (Shown(f"{Q.aggregate('min', credentials.CERTIFICATE)} - time()", "left"),),
                PanelKind.STAT,
                PanelUnit.SECONDS,
                width=12,
                height=4,
                minimum=None,
                thresholds=falling(7 * DAY_S, 21 * DAY_S),
                fills_in="there is no TLS.",
            ),
            Panel(
                "Operator's keys: left of the first that expires",
                (Shown(f"{Q.aggregate('min', credentials.OPERATOR_KEY)} - time()", "left"),),
                PanelKind.STAT,
                PanelUnit.SECONDS,
                width=12,
                height=4,
                minimum=None,
                thresholds=falling(7 * DAY_S, 21 * DAY_S),
                fills_in="none of them expires.",
            ),
        ),
    )


def _scrape() -> Row:
    return Row(
        "Scrape",
        (
            Panel(
                "Replicas that did not answer",
                (
                    Shown(Q.rate(scrape.MISSING, "deployment"), "{{deployment}}, a second"),
                    Shown(
                        Q.aggregate("max", scrape.MISSING_NOW, "deployment"), "{{deployment}} now"
                    ),
                ),
                unit=PanelUnit.COUNT,
                thresholds=ANY_IS_WRONG,
            ),
            Panel(
                "Time to ask all replicas",
                (Shown(Q.aggregate("max", scrape.DURATION), "seconds"),),
                thresholds=rising(0.5, 1),
            ),
            Panel(
                "Largest families",
                (Shown(f"topk(10, {Q.aggregate('max', scrape.SERIES, 'family')})", "{{family}}"),),
                about="A family at its cap tells of new label values only as `other`.",
            ),
            Panel(
                "Versions",
                (Shown(Q.aggregate("max", scrape.BUILD, "version"), "{{version}}"),),
                unit=PanelUnit.PLAIN,
            ),
        ),
    )


DASHBOARD = Dashboard(
    uids.CLUSTER,
    "Mobula: cluster",
    "Processes of every deployment, the store, the scrape. Ray's own dashboards are linked above.",
    (
        dependencies(),
        deployments(),
        nodes(),
        _processes(),
        _store(),
        _logs(),
        _expiries(),
        _scrape(),
    ),
    (DashboardVariable("deployment", process.CPU), DashboardVariable("replica", process.CPU)),
)
