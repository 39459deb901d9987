"""A chaos run as JSON and as Markdown with plots. Pure: a record and figures in, text out."""

from collections import Counter, defaultdict
from collections.abc import Sequence
from typing import Any

from load_tests.benchmarks.common.measurement import Measurement, all_met
from load_tests.benchmarks.faults.chaos.invariants import calm, describe_result, effect
from load_tests.benchmarks.faults.chaos.outcomes import RequestOutcome, RequestResult
from load_tests.benchmarks.faults.chaos.resource_samples import ResourceSample
from load_tests.benchmarks.faults.chaos.run import ChaosRecord
from load_tests.charts import Point, line_chart
from load_tests.timeline import quantile

COLUMNS = (
    "fault", "to", "at s", "recovered after s", "unary then", "failed", "p99 ms", "streams there",
    "streams broken",
)  # fmt: skip
PLOTS = ("requests", "latency", "failures", "memory")


def build_report(
    record: ChaosRecord,
    measurements: Sequence[Measurement],
    machine: dict[str, object],
    conditions: dict[str, Any],
) -> dict[str, Any]:
    """Everything but the single requests."""
    quiet = [
        s.took
        for s in calm(record.injected_faults, record.results)
        if s.ending is RequestOutcome.WHOLE
    ]
    failed = [result for result in record.results if result.ending is not RequestOutcome.WHOLE]
    return {
        "benchmark": "chaos",
        "machine": machine,
        "conditions": conditions,
        "seconds": round(record.seconds, 1),
        "requests_s": round(sum(not s.stream for s in record.results) / record.seconds, 1),
        "held_back": record.held_back,
        "calm": {"p50_ms": 1e3 * quantile(quiet, 0.5), "p99_ms": 1e3 * quantile(quiet, 0.99)},
        "faults": [effect(injected, record.results) for injected in record.injected_faults],
        "failures": dict(
            Counter(
                f"{_kind(result)}: {describe_result(result)}" for result in failed
            ).most_common()
        ),
        "wrong_at_the_end": record.wrong,
        "figures": [measurement.to_dict() for measurement in measurements],
        "passed": all_met(measurements),
    }


def markdown(report: dict[str, Any]) -> str:
    """`plots` lie beside it, as `<name>.svg`."""
    calm_ms = report["calm"]
    lines = [
        "# Chaos run",
        "",
        f"{report['seconds']} s, {report['requests_s']} unary requests/s; undisturbed ones took "
        f"{calm_ms['p50_ms']:.0f} ms (p50) and {calm_ms['p99_ms']:.0f} ms (p99). "
        + ("Every bound was met." if report["passed"] else "A bound was MISSED."),
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
        f"not: {row['wrong']}" if row["wrong"] else f"{row['recovery_s']:.1f}",
        row["unary"], _counted(row["failed"]), f"{row['p99_ms']:.0f}", row["streams_there"],
        _counted(row["streams_broken"]),
    )  # fmt: skip
    return f"| {' | '.join(str(cell) for cell in cells)} |"


def _counted(counts: dict[str, int]) -> str:
    return ", ".join(f"{count} x {what}" for what, count in counts.items()) or "0"


def _kind(result: RequestResult) -> str:
    return "stream" if result.stream else f"unary {result.model}"


def plots(record: ChaosRecord) -> dict[str, str]:
    """Name -> SVG."""
    marks = [(injected.at, injected.fault.name) for injected in record.injected_faults]
    unary = [result for result in record.results if not result.stream]
    by_second = _by_second(unary)
    complete = [result for result in unary if result.ending is RequestOutcome.WHOLE]
    rates = {"answered": _numbers(complete, record.seconds)}
    took = {
        f"p{round(share * 100)}": [
            (
                second,
                1e3
                * quantile([s.took for s in results if s.ending is RequestOutcome.WHOLE], share),
            )
            for second, results in sorted(by_second.items())
        ]
        for share in (0.5, 0.95, 0.99)
    }
    return {
        "requests": line_chart("Unary requests answered a second", rates, marks=marks),
        "latency": line_chart("Unary latency", took, unit="ms", marks=marks),
        "failures": line_chart("Failures a second", _failures(record), marks=marks),
        "memory": line_chart("Resident memory", _memory(record.samples), unit="MiB", marks=marks),
    }


def _by_second(results: Sequence[RequestResult]) -> dict[float, list[RequestResult]]:
    by_second: dict[float, list[RequestResult]] = defaultdict(list)
    for result in results:
        by_second[float(int(result.end))].append(result)
    return by_second


def _failures(record: ChaosRecord) -> dict[str, list[Point]]:
    failed = [result for result in record.results if result.ending is not RequestOutcome.WHOLE]
    kinds = {"unary": False, "streams": True}
    return {
        kind: _numbers([result for result in failed if result.stream is streams], record.seconds)
        for kind, streams in kinds.items()
    }


def _numbers(results: Sequence[RequestResult], seconds: float) -> list[Point]:
    by_second = _by_second(results)
    return [(float(s), float(len(by_second.get(float(s), ())))) for s in range(int(seconds))]


def _memory(samples: Sequence[ResourceSample]) -> dict[str, list[Point]]:
    sums: dict[str, dict[float, float]] = defaultdict(lambda: defaultdict(float))
    for sample in samples:
        sums[sample.kind][sample.at] += sample.measures.get("rss_mib", 0.0)
    shown = ("Ingress", "Model:echo", "Model:talk", "controller", "haproxy", "Limiter")
    return {kind: sorted(sums[kind].items()) for kind in shown if kind in sums}
