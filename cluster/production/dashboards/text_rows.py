"""The row of text analysis, in the dashboard of models."""

from cluster.metrics.catalogue import text
from cluster.production.dashboards.panel import Panel, PanelUnit, Row, Shown, rising
from cluster.production.promql import JOB, Queries, like

Q = Queries({JOB: f"${JOB}", "replica": like("$replica")})
_OFF = "text analysis is off, or nobody asked."


def build_text_row() -> Row:
    return Row(
        "Text analysis",
        (
            Panel(
                "Calls by outcome",
                (Shown(Q.rate(text.CALLS, "outcome"), "{{outcome}}"),),
                unit=PanelUnit.REQUESTS,
                fills_in=_OFF,
            ),
            Panel(
                "Time of an operation, p95",
                (Shown(Q.quantile(0.95, text.DURATION, "operation"), "{{operation}}"),),
                thresholds=rising(0.12, 1.0),
                about="From the begin of a call, for all of its texts.",
                fills_in=_OFF,
            ),
            Panel(
                "Characters",
                (
                    Shown(Q.rate(text.CHARACTERS), "a second"),
                    Shown(Q.sum(text.OPEN_CHARACTERS), "of open calls"),
                ),
                unit=PanelUnit.COUNT,
                fills_in=_OFF,
            ),
            Panel(
                "Not supported",
                (Shown(Q.rate(text.UNSUPPORTED, "operation"), "{{operation}}"),),
                about="Not installed, or not the text's language.",
                fills_in=_OFF,
            ),
            Panel(
                "Vectors by source",
                (Shown(Q.rate(text.EMBEDDED, "source"), "{{source}}"),),
                about="From memory, or from the embedding model.",
                fills_in=_OFF,
            ),
        ),
    )
