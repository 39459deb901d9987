"""A picture of the overview's panels for each fault, as SVG.

In: views of panels. Out: one row for each fault, one column for each panel; a panel that says that
something is wrong is red, and the line that does has its name.
"""

import math
import re
from collections.abc import Iterator, Mapping, Sequence
from html import escape

from load_tests.benchmarks.faults.monitoring.watching import Line
from load_tests.benchmarks.faults.monitoring.wrong_panels import PANELS, PanelView

CELL_W, CELL_H, GAP, LEFT, TOP = 118, 56, 6, 120, 66
_ROW = re.compile(r'<g id="([a-z-]+)"[^>]*>\n(.*?)\n</g>', re.DOTALL)
_CALM, _WRONG = "#4477aa", "#bb2222"


def draw(rows: Mapping[str, Sequence[PanelView]], earlier: str = "") -> str:
    """`rows` are views by the fault's name, all with the same panels. Rows of an `earlier` picture
    stay where a fault is not drawn again."""
    drawn = dict(_ROW.findall(earlier))
    drawn |= {fault: "\n".join(_row(fault, views)) for fault, views in rows.items()}
    width = LEFT + len(PANELS) * (CELL_W + GAP)
    height = TOP + len(drawn) * (CELL_H + GAP)
    groups = [
        f'<g id="{fault}" transform="translate(0,{TOP + number * (CELL_H + GAP)})">\n{row}\n</g>'
        for number, (fault, row) in enumerate(drawn.items())
    ]
    return "\n".join(
        [
            f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}"'
            f' width="{width}" height="{height}" font-family="sans-serif" font-size="9">',
            f'<rect width="{width}" height="{height}" fill="#ffffff"/>',
            *_titles(),
            *groups,
            "</svg>",
            "",
        ]
    )


def _titles() -> Iterator[str]:
    for column, panel in enumerate(PANELS):
        x = LEFT + column * (CELL_W + GAP)
        words, lines = panel.title.split(), [""]
        for word in words:
            if len(lines[-1]) + len(word) > 22:
                lines.append("")
            lines[-1] = f"{lines[-1]} {word}".strip()
        for number, line in enumerate(lines):
            y = TOP - 8 - 11 * (len(lines) - 1 - number)
            yield f'<text x="{x}" y="{y}">{escape(line)}</text>'


def _row(fault: str, views: Sequence[PanelView]) -> Iterator[str]:
    yield f'<text x="4" y="{CELL_H / 2}" font-size="12">{escape(fault)}</text>'
    for column, view in enumerate(views):
        yield from _cell(view, LEFT + column * (CELL_W + GAP), 0)


def _cell(view: PanelView, x: float, y: float) -> Iterator[str]:
    border, fill = (_WRONG, "#fdeeee") if view.wrong else ("#cccccc", "#fafafa")
    yield (
        f'<rect x="{x}" y="{y}" width="{CELL_W}" height="{CELL_H}" fill="{fill}"'
        f' stroke="{border}"/>'
    )
    points = [point for line in view.lines for point in line.points if not math.isnan(point[1])]
    if not points:
        return
    times, values = [at for at, _ in points], [value for _, value in points]
    low, high = min(0.0, *values), max(values)
    for line in view.lines:
        color = _WRONG if line.legend in view.wrong else _CALM
        drawn = _polyline(line, (min(times), max(times)), (low, high))
        shifted = " ".join(f"{x + a:.1f},{y + b:.1f}" for a, b in drawn)
        yield f'<polyline points="{shifted}" fill="none" stroke="{color}" stroke-width="1"/>'
    if view.wrong:
        name = view.wrong[0] if len(view.wrong[0]) <= 24 else f"{view.wrong[0][:23]}…"
        more = f" +{len(view.wrong) - 1}" if len(view.wrong) > 1 else ""
        yield f'<text x="{x + 3}" y="{y + 10}" fill="{_WRONG}">{escape(name + more)}</text>'


def _polyline(
    line: Line, times: tuple[float, float], values: tuple[float, float]
) -> Iterator[tuple[float, float]]:
    """Within a cell, from its upper left corner."""
    span = (times[1] - times[0]) or 1.0
    height = (values[1] - values[0]) or 1.0
    for at, value in line.points:
        if not math.isnan(value):
            across = 2 + (CELL_W - 4) * (at - times[0]) / span
            yield across, CELL_H - 3 - (CELL_H - 18) * (value - values[0]) / height
