"""What a comparison found, as rows, a table and Markdown. Pure.

In: a measurement for each round, contender, case and number of connections. Out: medians over the
rounds, errors summed.
"""

import statistics
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from load_tests.benchmarks.common.wrk import WrkResult
from load_tests.benchmarks.speed.compare.streams import StreamResult

CASES = ("unary", "cached", "stream")
_BOUNDS = ((">=", "at_least"), ("<=", "at_most"))


@dataclass(frozen=True)
class CaseResult:
    """One measurement of one round."""

    contender: str
    case: str
    connections: int
    found: WrkResult | StreamResult


def build_rows(measured: Sequence[CaseResult]) -> list[dict[str, Any]]:
    """One row for each contender, case and number of connections, in the order of CASES."""
    keys = dict.fromkeys((m.case, m.connections, m.contender) for m in measured)
    ordered = sorted(keys, key=lambda key: (CASES.index(key[0]), key[1]))
    return [_row(key, [m.found for m in measured if _key(m) == key]) for key in ordered]


def _key(measured: CaseResult) -> tuple[str, int, str]:
    return measured.case, measured.connections, measured.contender


def _row(key: tuple[str, int, str], found: Sequence[WrkResult | StreamResult]) -> dict[str, Any]:
    case, connections, contender = key
    figures = [asdict(each) for each in found]
    medians = {
        name: statistics.median(each[name] for each in figures)
        for name in figures[0]
        if name != "errors"
    }
    errors = sum(each["errors"] for each in figures)
    head = {"case": case, "connections": connections, "contender": contender}
    return {**head, **medians, "errors": errors}


def compute_ratios(rows: Sequence[dict[str, Any]], ours: str) -> list[dict[str, Any]]:
    """Ours over each of the others, where both were measured: requests (chunks) a second."""
    found = []
    for row in rows:
        mine = next((r for r in rows if r["contender"] == ours and _where(r) == _where(row)), None)
        if mine is not None and mine is not row:
            ratio = _rate(mine) / _rate(row) if _rate(row) else float("inf")
            found.append({
                "case": row["case"], "connections": row["connections"],
                "over": row["contender"], "ratio": ratio,
            })  # fmt: skip
    return found


def _where(row: dict[str, Any]) -> tuple[str, int]:
    return row["case"], row["connections"]


def _rate(row: dict[str, Any]) -> float:
    return float(row["chunks_s"] if row["case"] == "stream" else row["requests_s"])


def markdown(report: dict[str, Any]) -> str:
    machine = report["machine"]
    lines = [
        f"{report['conditions']['rounds']} rounds of {report['conditions']['seconds']:g} s each, "
        f"interleaved; {machine['cpu']}, {machine['usable_cores']} cores, load before "
        f"{machine['load_1_min']}; Ray {machine['packages']['ray']}; {report['date']}.",
        "",
        *_unary_table(report["rows"], report["ratios"]),
        "",
        *_stream_table(report["rows"], report["ratios"]),
        "",
        *_goal_table(report.get("goals", ())),
    ]
    return "\n".join(lines)


def _unary_table(rows: Iterable[dict[str, Any]], found: Sequence[dict[str, Any]]) -> list[str]:
    lines = [
        "| case | connections | | requests/s | p50 ms | p99 ms | errors | ours over it |",
        "|---|---|---|---|---|---|---|---|",
    ]
    for row in rows:
        if row["case"] != "stream":
            lines.append(
                f"| {row['case']} | {row['connections']} | {row['contender']} "
                f"| {row['requests_s']:,.0f} | {row['p50_ms']:.2f} | {row['p99_ms']:.2f} "
                f"| {row['errors']} | {_ratio(row, found)} |"
            )
    return lines


def _stream_table(rows: Iterable[dict[str, Any]], found: Sequence[dict[str, Any]]) -> list[str]:
    lines = [
        "| streams at once | | streams/s | chunks/s | first chunk p50 ms | p99 ms | errors "
        "| ours over it |",
        "|---|---|---|---|---|---|---|---|",
    ]
    for row in rows:
        if row["case"] == "stream":
            lines.append(
                f"| {row['connections']} | {row['contender']} | {row['streams_s']:,.1f} "
                f"| {row['chunks_s']:,.0f} | {row['first_p50_ms']:.1f} "
                f"| {row['first_p99_ms']:.1f} | {row['errors']} | {_ratio(row, found)} |"
            )
    return lines


def _goal_table(goals: Sequence[dict[str, Any]]) -> list[str]:
    if not goals:
        return []
    lines = ["| Mobula, forwarding as they do | found | goal | met |", "|---|---|---|---|"]
    for goal in goals:
        bounds = [f"{sign} {goal[name]:g}" for sign, name in _BOUNDS if goal[name] is not None]
        met = "yes" if goal["met"] else "no"
        lines.append(f"| {goal['name']} | {goal['value']:.2f} | {' '.join(bounds)} | {met} |")
    return [*lines, ""]


def _ratio(row: dict[str, Any], found: Sequence[dict[str, Any]]) -> str:
    for each in found:
        if each["over"] == row["contender"] and _where(row) == _where(each):
            return f"{each['ratio']:.2f}"
    return ""
