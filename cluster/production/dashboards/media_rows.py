"""The row of recordings and pictures, in the dashboard of models."""

from cluster.metrics.catalogue import media
from cluster.production.dashboards.panel import Panel, PanelUnit, Row, Shown, rising
from cluster.production.promql import JOB, Queries, like

Q = Queries({JOB: f"${JOB}", "replica": like("$replica")})
_OFF = "the deployment Media is off, or nobody sent a recording."


def build_media_row() -> Row:
    return Row(
        "Recordings and pictures",
        (
            Panel(
                "Transcriptions by outcome",
                (Shown(Q.rate(media.TRANSCRIPTIONS, "outcome"), "{{outcome}}"),),
                unit=PanelUnit.REQUESTS,
                fills_in=_OFF,
            ),
            Panel(
                "Time of a transcription, p95",
                (Shown(Q.quantile(0.95, media.TRANSCRIPTION_DURATION), "p95"),),
                thresholds=rising(60.0, 600.0),
                about="From its begin to its end, waits for the recognizer included.",
                fills_in=_OFF,
            ),
            Panel(
                "Seconds recognised",
                (Shown(Q.rate(media.TRANSCRIBED), "of recordings, a second"),),
                unit=PanelUnit.COUNT,
                about="Above 1: faster than real time.",
                fills_in=_OFF,
            ),
            Panel(
                "Open transcriptions",
                (Shown(Q.sum(media.OPEN_TRANSCRIPTIONS), "open"),),
                unit=PanelUnit.COUNT,
                about="They take turns at the recognizer, window by window.",
                fills_in=_OFF,
            ),
            Panel(
                "Files examined by outcome",
                (Shown(Q.rate(media.EXAMINED, "outcome"), "{{outcome}}"),),
                unit=PanelUnit.REQUESTS,
                fills_in=_OFF,
            ),
            Panel(
                "Pictures by outcome",
                (Shown(Q.rate(media.IMAGES, "outcome"), "{{outcome}}"),),
                unit=PanelUnit.REQUESTS,
                about="Refused are those that are no pictures, too large, or damaged.",
                fills_in="the deployment Media is off, or nobody sent a picture.",
            ),
        ),
    )
