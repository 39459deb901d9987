"""The row of searches, in the dashboard of models."""

from cluster.metrics.catalogue import search
from cluster.production.dashboards.panel import Panel, PanelUnit, Row, Shown, rising
from cluster.production.promql import JOB, Queries, like

Q = Queries({JOB: f"${JOB}", "replica": like("$replica")})
_OFF = "search is off, or nobody searched a collection."


def build_search_row() -> Row:
    return Row(
        "Search",
        (
            Panel(
                "Searches by outcome",
                (Shown(Q.rate(search.SEARCHES, "outcome"), "{{outcome}}"),),
                unit=PanelUnit.REQUESTS,
                fills_in=_OFF,
            ),
            Panel(
                "Time of a search, p95",
                (Shown(Q.quantile(0.95, search.DURATION, "mode"), "{{mode}}"),),
                unit=PanelUnit.SECONDS,
                thresholds=rising(0.05, 0.5),
                about="In its shard, with the changes that it has to read first.",
                fills_in=_OFF,
            ),
            Panel(
                "Time to read points, p95",
                (Shown(Q.quantile(0.95, search.REFRESHES, "kind"), "{{kind}}"),),
                unit=PanelUnit.SECONDS,
                about="load: a collection that was not in memory; changes: what it lacked.",
                fills_in=_OFF,
            ),
            Panel(
                "Points in memory",
                (
                    Shown(Q.sum(search.POINTS), "points"),
                    Shown(Q.sum(search.COLLECTIONS), "collections"),
                ),
                unit=PanelUnit.COUNT,
                fills_in=_OFF,
            ),
            Panel(
                "Bytes in memory",
                (Shown(Q.sum(search.BYTES), "bytes"),),
                unit=PanelUnit.BYTES,
                fills_in=_OFF,
            ),
            Panel(
                "Changes read, and collections that left the memory",
                (
                    Shown(Q.rate(search.CHANGES), "changes, a second"),
                    Shown(Q.rate(search.EVICTIONS), "evictions, a second"),
                    Shown(Q.rate(search.APPROXIMATE), "approximate searches, a second"),
                ),
                unit=PanelUnit.COUNT,
                about="Many evictions: search.memory_mib is less than what is searched.",
                fills_in=_OFF,
            ),
        ),
    )
