"""The row of documents, in the dashboard of models."""

from cluster.metrics.catalogue import documents
from cluster.production.dashboards.panel import Panel, PanelUnit, Row, Shown
from cluster.production.promql import JOB, Queries, like

Q = Queries({JOB: f"${JOB}", "replica": like("$replica")})
_OFF = "nobody sent a document, or asked one."


def build_document_row() -> Row:
    return Row(
        "Documents",
        (
            Panel(
                "Readings and indexings by outcome",
                (Shown(Q.rate(documents.STEPS, "step", "outcome"), "{{step}}, {{outcome}}"),),
                unit=PanelUnit.REQUESTS,
                about="refused: the document; failed: our side. Jobs that fail have an alert.",
                fills_in=_OFF,
            ),
            Panel(
                "Time of a reading or an indexing, p95",
                (Shown(Q.quantile(0.95, documents.STEP_DURATION, "step"), "{{step}}"),),
                unit=PanelUnit.SECONDS,
                fills_in=_OFF,
            ),
            Panel(
                "Pages read, chunks indexed",
                (
                    Shown(Q.rate(documents.PAGES), "pages, a second"),
                    Shown(Q.rate(documents.CHUNKS), "chunks, a second"),
                ),
                unit=PanelUnit.COUNT,
                fills_in=_OFF,
            ),
            Panel(
                "Answers by what gave them",
                (Shown(Q.rate(documents.ANSWERS, "answer"), "{{answer}}"),),
                unit=PanelUnit.REQUESTS,
                about="fallback: a model wrote nothing that the passages say.",
                fills_in=_OFF,
            ),
            Panel(
                "Marks of models by outcome",
                (Shown(Q.rate(documents.MARKS, "outcome"), "{{outcome}}"),),
                unit=PanelUnit.COUNT,
                about="Many removed: the model cites what the passages do not say.",
                fills_in=_OFF,
            ),
        ),
    )
