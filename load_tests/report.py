"""The report of a load test: Markdown and its charts. Pure.

In: the conditions, each route's figures, samples over time, what was missed. Out: file names
and their texts.
"""

from collections.abc import Mapping, Sequence
from typing import Any

from load_tests.charts import line_chart
from load_tests.thresholds import RouteStats
from load_tests.timeline import RequestSample, build_series, quantile

TITLES = {
    "requests": ("Requests", "/s"),
    "latency": ("Response time of requests that succeeded", "ms"),
    "failures": ("Failures", "/s"),
    "users": ("Users", ""),
}


def group_by_route(samples: Sequence[RequestSample]) -> dict[str, RouteStats]:
    """Figures by name; times are those of requests that succeeded."""
    routes = {}
    for name in sorted({sample.name for sample in samples}):
        mine = [sample for sample in samples if sample.name == name]
        took = [sample.took_ms for sample in mine if not sample.failed]
        failures = len(mine) - len(took)
        routes[name] = RouteStats(len(mine), failures, quantile(took, 0.95), quantile(took, 0.99))
    return routes


def build_files(
    samples: Sequence[RequestSample],
    faults: Sequence[str],
    conditions: Mapping[str, Any],
    machine: Mapping[str, Any],
    errors: Mapping[str, int],
) -> dict[str, str]:
    """`errors` counts failures by their message."""
    charts = {
        f"{name}.svg": line_chart(TITLES[name][0], lines, unit=TITLES[name][1])
        for name, lines in build_series(samples).items()
    }
    return {"report.md": _markdown(samples, faults, conditions, machine, errors), **charts}


def _markdown(
    samples: Sequence[RequestSample],
    faults: Sequence[str],
    conditions: Mapping[str, Any],
    machine: Mapping[str, Any],
    errors: Mapping[str, int],
) -> str:
    seconds = max((sample.at for sample in samples), default=0.0)
    verdict = "Every threshold was met." if not faults else "MISSED:"
    settings = ", ".join(f"{name} {value}" for name, value in conditions.items())
    lines = [
        "# Load test",
        "",
        f"{len(samples):,} requests in {seconds:.0f} s. {verdict}",
        "",
        *(f"- {fault}" for fault in faults),
        "",
        f"Conditions: {settings}. Machine: {machine['cpu']}, {machine['usable_cores']} cores, load "
        f"before {machine['load_1_min']}; Python {machine['python']}.",
        "",
        "| route | requests | requests/s | failures | p50 ms | p95 ms | p99 ms |",
        "|---|---|---|---|---|---|---|",
        *_rows(samples, seconds),
        "",
        *(f"- {count} x {text}" for text, count in errors.items()),
        "",
        *(f"![{name}]({name}.svg)" for name in TITLES),
        "",
    ]
    return "\n".join(lines)


def _rows(samples: Sequence[RequestSample], seconds: float) -> list[str]:
    rows = []
    for name, route in group_by_route(samples).items():
        took = [s.took_ms for s in samples if s.name == name and not s.failed]
        rate = route.requests / seconds if seconds else 0.0
        rows.append(
            f"| {name} | {route.requests:,} | {rate:.1f} | {route.failures} "
            f"| {quantile(took, 0.5):.0f} | {route.p95_ms:.0f} | {route.p99_ms:.0f} |"
        )
    return rows
