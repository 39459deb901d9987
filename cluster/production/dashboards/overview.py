"""The overview: how it goes, and which part is at fault when it does not.

The row "What is wrong" has one panel for each part, so that this dashboard alone says which of them
it is; the link of a panel leads to the dashboard of that part.
"""

from cluster.metrics.catalogue import (
    generation,
    http,
)
from cluster.production.dashboards import uids
from cluster.production.dashboards.overview_faults import faults
from cluster.production.dashboards.panel import (
    ANY_IS_WRONG,
    Dashboard,
    Panel,
    PanelKind,
    PanelUnit,
    Row,
    Shown,
    falling,
    rising,
)
from cluster.production.dashboards.selectors import firing_alerts
from cluster.production.promql import JOB, Queries, like, share, unlike

Q = Queries({JOB: f"${JOB}"})
_ENDS = unlike("feed")
_GOOD = like("ok|client_error|server_error")

BY_OUTCOME = Q.rate(http.OUTCOMES, "outcome")


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
                PanelUnit.REQUESTS,
                width=4,
                height=4,
            ),
            Panel(
                "Availability",
                (Shown(available("$__range"), ""),),
                PanelKind.STAT,
                PanelUnit.RATIO,
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
                PanelUnit.COUNT,
                about="Alerts that fire.",
                width=4,
                height=4,
                thresholds=ANY_IS_WRONG,
            ),
        ),
    )


def _traffic() -> Row:
    return Row(
        "Traffic",
        (
            Panel(
                "Requests by outcome",
                (Shown(BY_OUTCOME, "{{outcome}}"),),
                unit=PanelUnit.REQUESTS,
                is_stacked=True,
            ),
            Panel(
                "Failures",
                (Shown(Q.rate(http.OUTCOMES, outcome="server_error"), "5xx"),),
                unit=PanelUnit.REQUESTS,
                thresholds=ANY_IS_WRONG,
                about="Clients that left and requests over a limit are no failures.",
            ),
            Panel(
                "Time of a request",
                (
                    Shown(Q.quantile(0.5, http.DURATION, "kind", kind=_ENDS), "{{kind}}, median"),
                    Shown(
                        Q.quantile(0.95, http.DURATION, "kind", kind=_ENDS),
                        "{{kind}}, p95",
                        exemplars=True,
                    ),
                    Shown(Q.quantile(0.99, http.DURATION, "kind", kind=_ENDS), "{{kind}}, p99"),
                ),
                about="Without feeds, which last as long as their clients.",
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
                unit=PanelUnit.REQUESTS,
            ),
            Panel(
                "Failed requests by route",
                (
                    Shown(
                        Q.rate(http.REQUESTS, "route", "code", code=like("5..")),
                        "{{route}} {{code}}",
                    ),
                ),
                unit=PanelUnit.REQUESTS,
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
    (_glance(), faults(), _traffic()),
)
