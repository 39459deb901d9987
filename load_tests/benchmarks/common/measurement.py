"""Measurements of a benchmark and their targets. In: figures. Out: verdicts, a table, JSON."""

import argparse
import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass

from rich.table import Table


@dataclass(frozen=True)
class Measurement:
    """One figure of one part; without a bound it is informational."""

    part: str
    name: str
    value: float
    unit: str = ""
    at_least: float | None = None
    at_most: float | None = None

    @property
    def met(self) -> bool:
        """Whether it keeps its bounds; what is not a number keeps none."""
        low = self.at_least is None or self.value >= self.at_least
        return low and (self.at_most is None or self.value <= self.at_most)

    @property
    def target(self) -> str:
        bounds = ((">=", self.at_least), ("<=", self.at_most))
        return " and ".join(f"{sign} {bound:g}" for sign, bound in bounds if bound is not None)

    def to_dict(self) -> dict[str, object]:
        return {"key": figure_key(self.part, self.name), **asdict(self), "met": self.met}


def figure_key(*labels: str) -> str:
    """A name for figures with these labels that stays when only a version in them changes."""
    parts = (re.sub(r"\d+\.\d+[\w.]*", "", label.lower()) for label in labels)
    return ".".join(re.sub(r"[^a-z0-9]+", "-", part).strip("-") for part in parts)


def all_met(measurements: Sequence[Measurement]) -> bool:
    """Whether there are figures, and each keeps its bounds."""
    return bool(measurements) and all(measurement.met for measurement in measurements)


def finish_benchmark(
    report: Mapping[str, object], passed: bool, options: argparse.Namespace
) -> int:
    """Write the report to the file of `--json`; returns the exit code: 1 if a target was missed
    under `--check`.
    """
    if options.json:
        options.json.write_text(json.dumps(report, indent=2) + "\n")
    return 0 if passed or not options.check else 1


def build_table(measurements: Sequence[Measurement]) -> Table:
    table = Table("part", "figure", "value", "target", "")
    for measurement in measurements:
        verdict = "met" if measurement.met else "MISSED"
        value = f"{_rounded(measurement.value)} {measurement.unit}".rstrip()
        shown = verdict if measurement.target else ""
        table.add_row(measurement.part, measurement.name, value, measurement.target, shown)
    return table


def _rounded(value: float) -> str:
    return f"{value:,.0f}" if abs(value) >= 100 or value == int(value) else f"{value:.3g}"
