"""Figures of reports, and two commits beside each other. Pure.

In: the JSON reports of a benchmark, those of older commits included. Out: figures by stable keys,
medians over turns, and their ratios. A key is a row's own `key`, else made of its labels;
`FORMER_KEYS` maps keys of labels that have changed since.
"""

import math
import re
import statistics
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from load_tests.benchmarks.common.measurement import figure_key

Better = Literal["higher", "lower", ""]
LISTS = ("rows", "figures", "measurements")
# Numbers that say which row it is, beside all texts.
IDENTITY = frozenset({"connections", "concurrency", "replicas", "clients", "nodes", "size"})
NO_IDENTITY = frozenset({"unit", "why", "target", "key"})
NO_FIGURES = frozenset({"at_least", "at_most"})
_HIGHER = re.compile(r"(^|[._])(requests|tokens|chunks|streams|answers)(_per)?_s$")
_LOWER = re.compile(r"_(ms|mib|cpu_s)(_alone)?$|(^|[._])errors$")
_NOT_OURS = re.compile(
    r"(^|\.)(bare-|their-|litellm-|litellm\.\w+_s$|smg\.|portkey\.)"
    r"|^engine_(lockstep_)?tokens_s$"  # the baseline of `bench stream`
)

FORMER_KEYS = {
    "speed.mobula-kept": "speed.mobula-cached",
    "speed.kept-bare-fastapi": "speed.cached-bare-fastapi",
    "speed.kept-bare-asgi": "speed.cached-bare-asgi",
    "speed.kept-p95": "speed.cached-p95",
    "speed.kept-p99": "speed.cached-p99",
    "speed.kept-errors": "speed.cached-errors",
    "speed.kept-but-not-found-in-memory": "speed.cached-but-missed-in-memory",
    "litellm.mobula-kept": "litellm.mobula-cached",
    "litellm.litellm-kept": "litellm.litellm-cached",
    "invalidate.neither-kept-nor-gone": "invalidate.neither-hit-nor-miss",
    "healing.longest-until-whole-again": "healing.longest-recovery",
    "healing.faults-it-was-not-whole-after": "healing.faults-without-recovery",
    "healing.not-whole-at-the-end": "healing.not-recovered-at-the-end",
    "ledger.tokens-in-whole-answers": "ledger.tokens-in-complete-responses",
}


@dataclass(frozen=True)
class ReportedFigure:
    """`better` is empty where neither direction is."""

    label: str
    value: float
    better: Better


@dataclass(frozen=True)
class ComparedFigure:
    """Medians over the turns; `ratio` is ours over theirs, `ratios` that of each turn."""

    key: str
    label: str
    theirs: float
    ours: float
    better: Better
    ratios: tuple[float, ...]

    @property
    def ratio(self) -> float:
        return divide(self.ours, self.theirs)


def divide(ours: float, theirs: float) -> float:
    """1 where both are 0."""
    if theirs == 0:
        return 1.0 if ours == 0 else math.inf
    return ours / theirs


def extract_figures(report: Mapping[str, Any]) -> dict[str, ReportedFigure]:
    """Every number that a report states once or in a row, but its conditions and targets. Of
    rows with the same labels the second and later ones are numbered."""
    figures: dict[str, ReportedFigure] = {}
    for name, value in report.items():
        if name in LISTS and isinstance(value, Sequence):
            for key, figure in (pair for row in value for pair in _of_row(row)):
                same = sum(other == key or other.startswith(f"{key}#") for other in figures)
                figures[f"{key}#{same + 1}" if same else key] = figure
        elif _is_number(value):
            figures[name] = ReportedFigure(name, float(value), _direction(name))
    return figures | _request_costs(report)


def _request_costs(report: Mapping[str, Any]) -> dict[str, ReportedFigure]:
    """CPU of each kind of request, by process and in all, as `bench capacity` reports it."""
    costs = report.get("costs")
    requests = costs.get("requests", {}) if isinstance(costs, Mapping) else {}
    figures = {}
    for kind, parts in requests.items():
        for name, value in (*parts.items(), ("all_ms", sum(parts.values()))):
            label = f"{kind}: {name}"
            figures[f"{kind}.{name}"] = ReportedFigure(label, float(value), _direction(name))
    return figures


def _of_row(row: Mapping[str, Any]) -> Iterator[tuple[str, ReportedFigure]]:
    labels = [
        str(value)
        for name, value in row.items()
        if (isinstance(value, str) and name not in NO_IDENTITY) or name in IDENTITY
    ]
    key = figure_key(*labels)
    key = str(row.get("key") or FORMER_KEYS.get(key, key))
    label = ", ".join(labels)
    if _is_number(row.get("value")):
        unit = str(row.get("unit", ""))
        yield key, ReportedFigure(label, float(row["value"]), _direction(unit))
        return
    for name, value in row.items():
        if _is_number(value) and name not in IDENTITY | NO_FIGURES:
            yield (
                f"{key}.{name}",
                ReportedFigure(f"{label}: {name}", float(value), _direction(name)),
            )


def _is_number(value: object) -> bool:
    is_number = isinstance(value, int | float) and not isinstance(value, bool)
    return is_number and math.isfinite(value)  # type: ignore[arg-type]


def _direction(name: str) -> Better:
    """Of a unit or a field."""
    if name.endswith("/s") or _HIGHER.search(name):
        return "higher"
    return "lower" if name in ("ms", "s", "us", "MiB") or _LOWER.search(name) else ""


def compare_figures(
    theirs: Sequence[Mapping[str, ReportedFigure]], ours: Sequence[Mapping[str, ReportedFigure]]
) -> list[ComparedFigure]:
    """Those that every turn of both has, in our order; turn by turn the two belong together."""
    shared = [key for key in ours[0] if all(key in turn for turn in (*theirs, *ours))]
    return [
        ComparedFigure(
            key,
            ours[0][key].label,
            statistics.median(turn[key].value for turn in theirs),
            statistics.median(turn[key].value for turn in ours),
            ours[0][key].better,
            tuple(
                divide(mine[key].value, other[key].value)
                for other, mine in zip(theirs, ours, strict=True)
            ),
        )
        for key in shared
    ]


def list_slower(figures: Sequence[ComparedFigure], at_least: float) -> list[ComparedFigure]:
    """Our rates below `at_least` of theirs. Baselines and peers are not ours; latencies are not
    judged, because their tails vary too much."""
    return [
        figure
        for figure in figures
        if figure.better == "higher"
        and figure.ratio < at_least
        and not _NOT_OURS.search(figure.key)
    ]
