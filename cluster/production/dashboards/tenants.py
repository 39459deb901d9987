"""Tenants: who asks, what they are refused, what they use and what that costs."""

from cluster.metrics.catalogue import limits, tenants
from cluster.production.dashboards import uids
from cluster.production.dashboards.panel import (
    Dashboard,
    DashboardVariable,
    Panel,
    PanelKind,
    PanelUnit,
    Row,
    Shown,
    rising,
)
from cluster.production.promql import JOB, Queries, like, share

Q = Queries({JOB: f"${JOB}", "tenant": like("$tenant")})
_MICRO = 1_000_000


def _requests() -> Row:
    failed = Q.rate(tenants.REQUESTS, "tenant", outcome="server_error")
    everything = Q.rate(tenants.REQUESTS, "tenant", outcome=like("ok|client_error|server_error"))
    return Row(
        "Requests",
        (
            Panel(
                "Requests by outcome",
                (Shown(Q.rate(tenants.REQUESTS, "outcome"), "{{outcome}}"),),
                unit=PanelUnit.REQUESTS,
                is_stacked=True,
            ),
            Panel(
                "Busiest tenants",
                (Shown(f"topk(10, {Q.rate(tenants.REQUESTS, 'tenant')})", "{{tenant}}"),),
                unit=PanelUnit.REQUESTS,
            ),
            Panel(
                "Over their limits",
                (
                    Shown(
                        f"topk(10, {Q.rate(tenants.REQUESTS, 'tenant', outcome='limited')})",
                        "{{tenant}}",
                    ),
                ),
                unit=PanelUnit.REQUESTS,
                fills_in="no limit was reached.",
            ),
            Panel(
                "Failed by the server, of those answered",
                (Shown(f"topk(10, {share(failed, everything)})", "{{tenant}}"),),
                unit=PanelUnit.RATIO,
                maximum=1,
                thresholds=rising(0.01, 0.05),
                about="One tenant alone: its requests are at fault. All of them: the cluster is.",
                fills_in="nothing failed.",
            ),
            Panel(
                "Refused as wrong",
                (
                    Shown(
                        f"topk(10, {Q.rate(tenants.REQUESTS, 'tenant', outcome='client_error')})",
                        "{{tenant}}",
                    ),
                ),
                unit=PanelUnit.REQUESTS,
                fills_in="nobody asked for anything wrong.",
            ),
            Panel(
                "Gave up before the answer",
                (
                    Shown(
                        f"topk(10, {Q.rate(tenants.REQUESTS, 'tenant', outcome='left')})",
                        "{{tenant}}",
                    ),
                ),
                unit=PanelUnit.REQUESTS,
                fills_in="nobody left.",
            ),
        ),
    )


def _usage() -> Row:
    spent = Q.increase(tenants.COST, "tenant", window="$__range")
    charged = Q.increase(tenants.REVENUE, "tenant", window="$__range")
    return Row(
        "Usage",
        (
            Panel(
                "Tokens",
                (
                    Shown(
                        f"topk(10, {Q.rate(tenants.TOKENS, 'tenant', 'direction')})",
                        "{{tenant}} {{direction}}",
                    ),
                ),
            ),
            Panel(
                "Budgets: used",
                (
                    Shown(
                        Q.aggregate("max", limits.BUDGET_USED, "tenant", "limit"),
                        "{{tenant}}: {{limit}}",
                    ),
                ),
                PanelKind.BARS,
                maximum=1,
                thresholds=rising(0.8, 0.95),
                fills_in="no budget is half spent.",
            ),
            Panel(
                "Cost in the range shown",
                (Shown(f"topk(20, {spent}) / {_MICRO}", "{{tenant}}"),),
                PanelKind.BARS,
                PanelUnit.COUNT,
                about="In units of the currency.",
                fills_in="nothing was used that costs.",
            ),
            Panel(
                "Revenue in the range shown",
                (Shown(f"topk(20, {charged}) / {_MICRO}", "{{tenant}}"),),
                PanelKind.BARS,
                PanelUnit.COUNT,
                about="In units of the currency.",
                fills_in="nothing was used that is charged.",
            ),
        ),
    )


DASHBOARD = Dashboard(
    uids.TENANTS,
    "Mobula: tenants",
    "Who asks for how much, and how it went for them.",
    (_requests(), _usage()),
    (DashboardVariable("tenant", tenants.REQUESTS),),
)
