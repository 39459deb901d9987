"""Line charts as SVG, for reports that are read in a browser or in Markdown.

In: named series of points and marks on the x axis. Out: the text of one SVG file. Nothing is
drawn where there is no number, so a gap in a series is a gap in its line.
"""

import math
from collections.abc import Iterator, Mapping, Sequence
from html import escape

Point = tuple[float, float]

WIDTH, HEIGHT = 860, 260
LEFT, RIGHT, TOP, BOTTOM = 62, 16, 46, 34
COLOURS = ("#1f6feb", "#d29922", "#cf222e", "#1a7f37", "#8250df", "#57606a")
_LINES = 4


def line_chart(
    title: str,
    series: Mapping[str, Sequence[Point]],
    *,
    unit: str = "",
    x_unit: str = "s",
    marks: Sequence[tuple[float, str]] = (),
) -> str:
    """`marks` are upright lines with a name."""
    points = [point for line in series.values() for point in line if _drawn(point)]
    last_x = max([x for x, _ in points] + [x for x, _ in marks], default=1.0) or 1.0
    top = _round_up(max((y for _, y in points), default=1.0))
    frame = _Frame(last_x, top)
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {HEIGHT}" '
        f'width="{WIDTH}" height="{HEIGHT}" font-family="sans-serif" font-size="11">',
        f'<rect width="{WIDTH}" height="{HEIGHT}" fill="#ffffff"/>',
        f'<text x="{LEFT}" y="16" font-size="13" font-weight="bold">{escape(title)}</text>',
        *_grid(frame, unit, x_unit),
        *_marks(frame, marks),
        *_lines(frame, series),
        "</svg>\n",
    ]
    return "\n".join(parts)


class _Frame:
    """From values to coordinates of the drawing."""

    def __init__(self, last_x: float, top: float) -> None:
        self.last_x, self.top = last_x, top

    def x(self, value: float) -> float:
        return LEFT + (WIDTH - LEFT - RIGHT) * value / self.last_x

    def y(self, value: float) -> float:
        return HEIGHT - BOTTOM - (HEIGHT - TOP - BOTTOM) * value / self.top


def _grid(frame: _Frame, unit: str, x_unit: str) -> Iterator[str]:
    for number in range(_LINES + 1):
        value = frame.top * number / _LINES
        y = frame.y(value)
        yield f'<line x1="{LEFT}" x2="{WIDTH - RIGHT}" y1="{y:.1f}" y2="{y:.1f}" stroke="#d0d7de"/>'
        label = f"{value:g} {unit}".strip()
        yield f'<text x="{LEFT - 6}" y="{y + 4:.1f}" text-anchor="end">{escape(label)}</text>'
        at = frame.last_x * number / _LINES
        yield (
            f'<text x="{frame.x(at):.1f}" y="{HEIGHT - BOTTOM + 16}" text-anchor="middle">'
            f"{at:.3g} {x_unit}</text>"
        )


def _marks(frame: _Frame, marks: Sequence[tuple[float, str]]) -> Iterator[str]:
    for at, name in marks:
        x = frame.x(at)
        yield (
            f'<line x1="{x:.1f}" x2="{x:.1f}" y1="{TOP}" y2="{HEIGHT - BOTTOM}" '
            'stroke="#57606a" stroke-dasharray="3 3"/>'
        )
        yield (
            f'<text x="{x + 3:.1f}" y="{TOP + 4}" font-size="9" fill="#57606a" '
            f'transform="rotate(90 {x + 3:.1f} {TOP + 4})">{escape(name)}</text>'
        )


def _lines(frame: _Frame, series: Mapping[str, Sequence[Point]]) -> Iterator[str]:
    for number, (name, points) in enumerate(series.items()):
        colour = COLOURS[number % len(COLOURS)]
        for segment in _segments(points):
            path = " ".join(f"{frame.x(x):.1f},{frame.y(y):.1f}" for x, y in segment)
            yield (f'<polyline points="{path}" fill="none" stroke="{colour}" stroke-width="1.5"/>')
        x = LEFT + 150 * number
        yield f'<rect x="{x}" y="24" width="10" height="10" fill="{colour}"/>'
        yield f'<text x="{x + 14}" y="33">{escape(name)}</text>'


def _segments(points: Sequence[Point]) -> Iterator[list[Point]]:
    """The points between gaps."""
    segment: list[Point] = []
    for point in points:
        if _drawn(point):
            segment.append(point)
        elif segment:
            yield segment
            segment = []
    if segment:
        yield segment


def _drawn(point: Point) -> bool:
    return all(math.isfinite(value) for value in point)


def _round_up(value: float) -> float:
    """The next 1, 2, 2.5 or 5 with zeros, so that the grid has plain numbers."""
    if value <= 0:
        return 1.0
    power = 10 ** math.floor(math.log10(value))
    return next(step * power for step in (1, 2, 2.5, 5, 10) if step * power >= value)
