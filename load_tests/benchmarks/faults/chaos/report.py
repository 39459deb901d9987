"""A chaos run as JSON and as Markdown with plots. Pure: a record and figures in, text out."""

from collections import Counter, defaultdict
from collections.abc import Sequence
from typing import Any

from load_tests.benchmarks.common.measurement import Figure, all_met
from load_tests.benchmarks.faults.chaos.invariants import calm, effect, said
from load_tests.benchmarks.faults.chaos.outcomes import Ending, Shot
from load_tests.benchmarks.faults.chaos.resource_samples import Vital
from load_tests.benchmarks.faults.chaos.run import Record
from load_tests.charts import Point, line_chart
from load_tests.timeline import quantile

COLUMNS = (
    "fault", "to", "at s", "whole again s", "unary then", "failed", "p99 ms", "streams there",
    "streams broken",
)  # fmt: skip
PLOTS = ("requests", "latency", "failures", "memory")


def report_of(
    record: Record, figures: Sequence[Figure], machine: dict[str, object], asked: dict[str, Any]
) -> dict[str, Any]:
    """Everything but the single requests."""
    quiet = [s.took for s in calm(record.hits, record.shots) if s.ending is Ending.WHOLE]
    failed = [shot for shot in record.shots if shot.ending is not Ending.WHOLE]
    return {
        "benchmark": "chaos",
        "machine": machine,
        "conditions": asked,
        "seconds": round(record.seconds, 1),
        "requests_s": round(sum(not s.stream for s in record.shots) / record.seconds, 1),
        "held_back": record.held_back,
        "calm": {"p50_ms": 1e3 * quantile(quiet, 0.5), "p99_ms": 1e3 * quantile(quiet, 0.99)},
        "faults": [effect(hit, record.shots) for hit in record.hits],
        "failures": dict(Counter(f"{_kind(shot)}: {said(shot)}" for shot in failed).most_common()),
        "wrong_at_the_end": record.wrong,
        "figures": [figure.row() for figure in figures],
        "passed": all_met(figures),
    }


def markdown(report: dict[str, Any]) -> str:
    """`plots` lie beside it, as `<name>.svg`."""
    calm_ms = report["calm"]
    lines = [
        "# Chaos run",
        "",
        f"{report['seconds']} s, {report['requests_s']} unary requests/s; undisturbed ones took "
        f"{calm_ms['p50_ms']:.0f} ms (p50) and {calm_ms['p99_ms']:.0f} ms (p99). "
        + ("Every bound was kept." if report["passed"] else "A bound was MISSED."),
        "",
        f"Conditions: `{report['conditions']}`",
        "",
        f"Machine: {report['machine']['cpu']}, {report['machine']['usable_cores']} cores, "
        f"load before {report['machine']['load_1_min']}.",
        "",
        "| | figure | value | bound | |",
        "|---|---|---|---|---|",
        *(_figure_row(row) for row in report["figures"]),
        "",
        f"| {' | '.join(COLUMNS)} |",
        f"|{'---|' * len(COLUMNS)}",
        *(_fault_row(row) for row in report["faults"]),
        "",
        *(f"- {count} x {what}" for what, count in report["failures"].items()),
        "",
        *(f"![{name}]({name}.svg)" for name in PLOTS),
        "",
    ]
    return "\n".join(lines)


def _figure_row(row: dict[str, Any]) -> str:
    signs = (("at_least", ">="), ("at_most", "<="))
    bound = " and ".join(f"{s} {row[n]:,.6g}" for n, s in signs if row[n] is not None)
    verdict = ("met" if row["met"] else "MISSED") if bound else ""
    cells = (row["part"], row["name"], f"{row['value']:,.6g} {row['unit']}", bound, verdict)
    return f"| {' | '.join(cells)} |"


def _fault_row(row: dict[str, Any]) -> str:
    cells = (
        row["fault"], row["target"], f"{row['at_s']:.1f}",
        f"not: {row['wrong']}" if row["wrong"] else f"{row['whole_s']:.1f}",
        row["unary"], _counted(row["failed"]), f"{row['p99_ms']:.0f}", row["streams_there"],
        _counted(row["streams_broken"]),
    )  # fmt: skip
    return f"| {' | '.join(str(cell) for cell in cells)} |"


def _counted(counts: dict[str, int]) -> str:
    return ", ".join(f"{count} x {what}" for what, count in counts.items()) or "0"


def _kind(shot: Shot) -> str:
    return "stream" if shot.stream else f"unary {shot.model}"


def plots(record: Record) -> dict[str, str]:
    """Name -> SVG."""
    marks = [(hit.at, hit.fault.name) for hit in record.hits]
    unary = [shot for shot in record.shots if not shot.stream]
    by_second = _by_second(unary)
    whole = [shot for shot in unary if shot.ending is Ending.WHOLE]
    rates = {"answered": _numbers(whole, record.seconds)}
    took = {
        f"p{round(share * 100)}": [
            (second, 1e3 * quantile([s.took for s in shots if s.ending is Ending.WHOLE], share))
            for second, shots in sorted(by_second.items())
        ]
        for share in (0.5, 0.95, 0.99)
    }
    return {
        "requests": line_chart("Unary requests answered a second", rates, marks=marks),
        "latency": line_chart("Unary latency", took, unit="ms", marks=marks),
        "failures": line_chart("Failures a second", _failures(record), marks=marks),
        "memory": line_chart("Resident memory", _memory(record.vitals), unit="MiB", marks=marks),
    }


def _by_second(shots: Sequence[Shot]) -> dict[float, list[Shot]]:
    found: dict[float, list[Shot]] = defaultdict(list)
    for shot in shots:
        found[float(int(shot.end))].append(shot)
    return found


def _failures(record: Record) -> dict[str, list[Point]]:
    failed = [shot for shot in record.shots if shot.ending is not Ending.WHOLE]
    kinds = {"unary": False, "streams": True}
    return {
        kind: _numbers([shot for shot in failed if shot.stream is streams], record.seconds)
        for kind, streams in kinds.items()
    }


def _numbers(shots: Sequence[Shot], seconds: float) -> list[Point]:
    by_second = _by_second(shots)
    return [(float(s), float(len(by_second.get(float(s), ())))) for s in range(int(seconds))]


def _memory(vitals: Sequence[Vital]) -> dict[str, list[Point]]:
    sums: dict[str, dict[float, float]] = defaultdict(lambda: defaultdict(float))
    for vital in vitals:
        sums[vital.kind][vital.at] += vital.measures.get("rss_mib", 0.0)
    shown = ("Ingress", "Model:echo", "Model:talk", "controller", "haproxy", "Limiter")
    return {kind: sorted(sums[kind].items()) for kind in shown if kind in sums}
