"""Which panels of the overview say that something is wrong, by their thresholds.

In: the lines of panels. Out: panels with a line in the last color, and the names of those lines.
"""

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from cluster.metrics.catalogue import declared, generation, http, models, tenants
from cluster.production.dashboards.overview_faults import faults
from cluster.production.dashboards.panel import Color, Panel, PanelKind
from load_tests.benchmarks.common.prometheus_process import PrometheusProcess
from load_tests.benchmarks.faults.monitoring.watching import Line, lines_of

PANELS = [panel for panel in faults().panels if panel.kind is not PanelKind.TABLE]
# What becomes of requests, by route, model or tenant.
OF_REQUESTS = {*declared(generation), *declared(http), *declared(models), *declared(tenants)}


@dataclass(frozen=True)
class PanelView:
    """A panel between two times; `wrong` are the legends of lines beyond its last threshold."""

    panel: Panel
    lines: Sequence[Line]
    wrong: tuple[str, ...]


def look(prometheus: PrometheusProcess, since: float, until: float) -> list[PanelView]:
    """Every panel of the row "What is wrong"."""
    views = []
    for panel in PANELS:
        lines = lines_of(prometheus, panel, since, until)
        wrong = tuple(line.legend for line in lines if any(_is_wrong(panel, line)))
        views.append(PanelView(panel, lines, wrong))
    return views


def blamed_requests(views: Sequence[PanelView]) -> set[str]:
    """Lines by which panels say that requests fail, each with its panel's title."""
    return {
        f"{view.panel.title}: {legend}"
        for view in views
        if OF_REQUESTS.intersection(view.panel.metrics)
        for legend in view.wrong
    }


def _is_wrong(panel: Panel, line: Line) -> Iterator[bool]:
    for _, value in line.points:
        if not math.isnan(value):
            yield color_of(panel, value) is Color.RED


def color_of(panel: Panel, value: float) -> Color:
    """That of the last step whose value is reached."""
    color = panel.thresholds[0].color
    for step in panel.thresholds[1:]:
        if step.value is not None and value >= step.value:
            color = step.color
    return color
