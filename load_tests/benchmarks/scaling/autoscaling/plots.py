"""Misses against replica-hours, one panel a trace, and how targets followed the load. In: results.
Out: one SVG.
"""

import re
from collections.abc import Sequence

from load_tests.benchmarks.scaling.autoscaling.comparison import SweepPoint, TraceResult
from load_tests.charts import HEIGHT, WIDTH, line_chart

_WORST = 0.25  # attainment worse than this by far is of no interest


def draw_plots(results: Sequence[TraceResult]) -> str:
    """Two charts for each trace, under each other."""
    charts = [chart for result in results for chart in (_misses(result), _time_series(result))]
    document = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {HEIGHT * len(charts)}" '
        f'width="{WIDTH}" height="{HEIGHT * len(charts)}" font-family="sans-serif" font-size="11">'
    ]
    for number, chart in enumerate(charts):
        placed = f'<svg y="{number * HEIGHT}" '
        document.append(re.sub(r"^<svg ", placed, chart))
    return "\n".join([*document, "</svg>\n"])


def _misses(result: TraceResult) -> str:
    """The default's runs as lines, ours and the optimum as upright marks with their misses."""
    ours = result.ours
    marks = [(ours.hours, f"ours, {1 - ours.attained:.2%} missed")]
    if result.optimum_hours is not None:
        marks.append((result.optimum_hours, "optimum at ours"))
    series = {
        "Ray's default, by target": _line(result.default, ours),
        "the same, quick": _line(result.quick, ours),
        "ours": [
            (ours.hours, 100 * (1 - ours.attained)),
            (ours.hours * 1.01, 100 * (1 - ours.attained)),
        ],
    }
    title = f"{result.name}: first tokens later than the objective, against replica-hours"
    return line_chart(title, series, unit="%", x_unit="h", marks=marks)


def _line(points: Sequence[SweepPoint], ours: SweepPoint) -> list[tuple[float, float]]:
    near = [p for p in points if p.attained > ours.attained - _WORST and p.hours < 4 * ours.hours]
    return sorted((point.hours, 100 * (1 - point.attained)) for point in near)


def _time_series(result: TraceResult) -> str:
    hours = [at / 3600 for at in result.first["at"]]
    series = {
        "replicas asked for": list(zip(hours, result.first["targets"], strict=True)),
        "busy": list(zip(hours, result.first["busy"], strict=True)),
    }
    return line_chart(f"{result.name}: ours, first seed", series, x_unit="h")
