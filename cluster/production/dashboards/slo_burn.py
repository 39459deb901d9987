"""Service level objectives: how much of the error budgets is left, and how fast they burn."""

from cluster.production.alerts.slo import BURNS, WINDOWS, Objectives, Slo, slos
from cluster.production.dashboards import uids
from cluster.production.dashboards.panel import (
    Color,
    Dashboard,
    Panel,
    PanelKind,
    PanelUnit,
    Row,
    Shown,
    ThresholdStep,
    falling,
)
from cluster.production.promql import JOB, Queries

_OF = f'{{{JOB}="${JOB}"}}'


def dashboard(objectives: Objectives) -> Dashboard:
    """Raises WrongQuery as slos does."""
    return Dashboard(
        uids.SLO,
        "Mobula: SLO burn",
        "Error budgets of the service level objectives. A burn of 1 spends a budget in just the "
        "period it is for; alerts look at two windows each (docs/runbooks).",
        tuple(_row(slo) for slo in slos(objectives, Queries({JOB: f"${JOB}"}))),
        since="now-24h",
    )


def _row(slo: Slo) -> Row:
    bad, every = slo.bad("$__range"), slo.all("$__range")
    without = "too few requests."
    fastest, slowest = BURNS[0].factor, BURNS[-1].factor
    return Row(
        f"{slo.title}: {slo.objective:.2%} is the objective",
        (
            Panel(
                "Good, in the range shown",
                (Shown(f"1 - ({bad}) / ({every} > 0)", ""),),
                PanelKind.STAT,
                PanelUnit.RATIO,
                width=4,
                decimals=3,
                minimum=None,
                thresholds=falling(1 - 2 * slo.budget, slo.objective),
                fills_in=without,
            ),
            Panel(
                "Budget left, of the range shown",
                (Shown(f"1 - ({bad}) / ({every} > 0) / {slo.budget:g}", ""),),
                PanelKind.STAT,
                PanelUnit.RATIO,
                width=4,
                minimum=None,
                thresholds=falling(0, 0.25),
                about="Of the bad events that the objective allows in this range. Below 0: broken.",
                fills_in=without,
            ),
            Panel(
                "Burn rate, by window",
                tuple(
                    Shown(f"{slo.ratio(window)}{_OF} / {slo.budget:g}", window)
                    for window in WINDOWS
                ),
                unit=PanelUnit.COUNT,
                thresholds=(
                    ThresholdStep(Color.GREEN),
                    ThresholdStep(Color.YELLOW, slowest),
                    ThresholdStep(Color.RED, fastest),
                ),
                fills_in=without,
            ),
            Panel(
                "Events",
                (Shown(f"{slo.events('5m')}{_OF}", "a second, over 5 minutes"),),
                unit=PanelUnit.EVENTS,
                about="What the ratio is of.",
            ),
        ),
    )
