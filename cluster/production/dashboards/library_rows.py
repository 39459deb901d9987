"""The row of the post library, in the dashboard of jobs and videos."""

from cluster.metrics.catalogue import library
from cluster.production.dashboards.panel import Panel, PanelUnit, Row, Shown, rising
from cluster.production.promql import JOB, Queries

Q = Queries({JOB: f"${JOB}"})
_IDLE = "nobody has used the library."


def build_library_row() -> Row:
    return Row(
        "Post library",
        (
            Panel(
                "Changes",
                (Shown(Q.rate(library.CHANGES, "action"), "{{action}}"),),
                unit=PanelUnit.REQUESTS,
                fills_in=_IDLE,
            ),
            Panel(
                "Posts",
                (Shown(Q.aggregate("max", library.POSTS), "of all tenants"),),
                unit=PanelUnit.COUNT,
            ),
            Panel(
                "Text of all versions",
                (Shown(Q.aggregate("max", library.BYTES), "bytes"),),
                unit=PanelUnit.BYTES,
            ),
            Panel(
                "Due posts",
                (
                    Shown(Q.rate(library.DUE_EVENTS), "announced a second"),
                    Shown(Q.aggregate("max", library.OVERDUE), "not announced"),
                ),
                unit=PanelUnit.COUNT,
            ),
            Panel(
                "Oldest post that is due",
                (Shown(Q.aggregate("max", library.OLDEST_OVERDUE), "for"),),
                thresholds=rising(30.0, 600.0),
            ),
            Panel(
                "Reported outcomes",
                (Shown(Q.rate(library.OUTCOMES, "result"), "{{result}}"),),
                unit=PanelUnit.REQUESTS,
                fills_in="nobody reports any.",
            ),
        ),
    )
