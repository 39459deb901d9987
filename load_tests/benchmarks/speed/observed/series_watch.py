"""Series over many scrapes: whether any of them fell, and their last values.

In: texts of `/metrics` (0.0.4). Out: totals over all replicas that there ever were.
"""

import re
from collections.abc import Iterator

SeriesKey = tuple[str, frozenset[tuple[str, str]]]

_LINE = re.compile(r"^([a-zA-Z_:][\w:]*)(?:\{(.*)\})? (\S+)$")
_LABEL = re.compile(r'(\w+)="((?:[^"\\]|\\.)*)"')
_RISING = ("_total", "_bucket", "_sum", "_count")


class SeriesWatch:
    """`fallen` counts values of counters and histograms that were less than before."""

    def __init__(self) -> None:
        self.fallen = self.scrapes = 0
        self._last: dict[SeriesKey, float] = {}
        self._times: list[float] = []

    def add(self, text: str, at: float) -> None:
        """A scrape that was begun at `at` (monotonic seconds)."""
        self.scrapes += 1
        self._times.append(at)
        for key, value in samples_of(text):
            if key[0].endswith(_RISING):
                self.fallen += value < self._last.get(key, 0.0)
                self._last[key] = value

    def total(self, name: str, **labels: str) -> float:
        """The sum of the last values of all series with these labels, of replicas that are gone
        too."""
        wanted = frozenset(labels.items())
        return sum(
            value for (known, had), value in self._last.items() if known == name and wanted <= had
        )

    def scraped_before(self, at: float) -> float:
        """When the last scrape that had ended well before `at` was begun: the one before the last
        that was begun before it."""
        earlier = [time for time in self._times if time < at]
        return earlier[-2] if len(earlier) > 1 else 0.0


def samples_of(text: str) -> Iterator[tuple[SeriesKey, float]]:
    """Name, labels and value of each line."""
    for line in text.splitlines():
        found = None if line.startswith("#") else _LINE.match(line)
        if found is not None:
            name, labels, value = found.groups()
            yield (name, frozenset(_LABEL.findall(labels or ""))), float(value)
