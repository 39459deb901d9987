"""`./mobula bench path`: what our path costs over the least that Ray Serve can do.

One cluster, one profile, one run: the bare apps and Mobula with the echo engine are deployed side
by side and measured in turn, round after round, so that a noisy moment hits all of them. Ratios of
medians are what counts.

Mobula is measured with everything on: authentication, every kind of limit, usage and audit. "open"
is the same path with none of them, so that the ratio of the two is what tenancy costs.
"""

import argparse
import json
import statistics
import sys
import tempfile
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import httpx
from rich.console import Console
from rich.table import Table

from load_tests.benchmarks.common.local_serve import LocalServe
from load_tests.benchmarks.common.measurement import figure_key, finish_benchmark
from load_tests.benchmarks.common.tenants import EVERY_LIMIT
from load_tests.benchmarks.common.wrk import WrkResult, require_wrk, run_wrk
from load_tests.machine import describe_machine

WORDS = 50
PROMPT = " ".join(f"word{i}" for i in range(WORDS))
RATIO_TARGET, ADDED_MS = 0.85, 0.5


@dataclass(frozen=True)
class PathCase:
    """One thing to measure: where, with what body, against which yardsticks."""

    name: str
    path: str
    body: bytes
    baselines: tuple[str, ...] = ()


def cases() -> list[PathCase]:
    chat = {"model": "echo", "messages": [{"role": "user", "content": PROMPT}]}
    bare = {"messages": chat["messages"], "max_tokens": WORDS}
    streamed = {**chat, "max_tokens": WORDS, "stream": True}
    return [
        PathCase("bare ASGI", "/asgi/chat", _json(bare)),
        PathCase("bare FastAPI", "/hello/chat", _json(bare)),
        PathCase("bare chain", "/chain/chat", _json(bare)),
        PathCase("open chat", "/open/v1/chat/completions", _json(chat)),
        PathCase("mobula chat", "/v1/chat/completions", _json(chat), ("bare chain", "open chat")),
        PathCase("bare chain, stream", "/chain/stream", _json(bare)),
        PathCase("open chat, stream", "/open/v1/chat/completions", _json(streamed)),
        PathCase(
            "mobula chat, stream",
            "/v1/chat/completions",
            _json(streamed),
            ("bare chain, stream", "open chat, stream"),
        ),
    ]


def main(argv: Sequence[str] | None = None) -> int:
    options = _options(argv)
    console = Console()
    require_wrk()
    with LocalServe(profile=options.profile) as local, tempfile.TemporaryDirectory() as scratch:
        console.print("deploying the bare apps and mobula ...")
        local.deploy_baselines()
        key = local.deploy_mobula(transport=options.transport)
        local.deploy_without_tenancy()
        apply_every_limit(local.url, key)
        runs = _measure(local.url, key, options, Path(scratch), console)
    report = _report(runs, options)
    _show(report, console)
    return finish_benchmark(report, bool(report["passed"]), options)


def _options(argv: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="mobula bench path", description=__doc__)
    parser.add_argument("--rounds", type=int, default=5, help="how often each case is measured")
    parser.add_argument("--seconds", type=float, default=4.0, help="length of one measurement")
    parser.add_argument("--connections", type=int, default=16)
    parser.add_argument(
        "--transport",
        choices=("link", "serve"),
        default="link",
        help="how the ingress calls the model",
    )
    parser.add_argument(
        "--profile",
        choices=("fast", "plain"),
        default="fast",
        help="of Serve: HAProxy and direct ingress, or its Python proxies",
    )
    parser.add_argument("--json", type=Path, help="also write the report here")
    parser.add_argument("--check", action="store_true", help="exit 1 if a target is missed")
    return parser.parse_args(argv)


Runs = dict[tuple[str, int], list[WrkResult]]


def _measure(
    url: str, key: str, options: argparse.Namespace, scratch: Path, console: Console
) -> Runs:
    runs: Runs = {}
    headers = {"Content-Type": "application/json", "Authorization": f"Bearer {key}"}
    every, warm_s = cases(), min(2.0, options.seconds)
    for case in every:  # warm up
        run_wrk(url + case.path, case.body, headers, connections=4, seconds=warm_s, scratch=scratch)
    for turn in range(options.rounds):
        shift = turn % len(every)
        for case in [*every[shift:], *every[:shift]]:
            for connections in (options.connections, 1):
                load = run_wrk(
                    url + case.path,
                    case.body,
                    headers,
                    connections=connections,
                    seconds=options.seconds,
                    scratch=scratch,
                )
                runs.setdefault((case.name, connections), []).append(load)
        console.print(f"round {turn + 1} of {options.rounds} done")
    return runs


def _report(runs: Runs, options: argparse.Namespace) -> dict[str, object]:
    many = options.connections
    rows = []
    for case in cases():
        row: dict[str, Any] = {
            "key": figure_key(case.name),
            "case": case.name,
            "requests_s": _median(runs[case.name, many], "requests_s"),
            "p99_ms": _median(runs[case.name, many], "p99_ms"),
            "p50_ms_alone": _median(runs[case.name, 1], "p50_ms"),
            "errors": sum(load.errors for load in runs[case.name, many] + runs[case.name, 1]),
        }
        row["against"] = {
            name: {
                "ratio": row["requests_s"] / _median(runs[name, many], "requests_s"),
                "added_ms": row["p50_ms_alone"] - _median(runs[name, 1], "p50_ms"),
            }
            for name in case.baselines
        }
        rows.append(row)
    passed = all(
        comparison["ratio"] >= RATIO_TARGET
        and comparison["added_ms"] <= ADDED_MS
        and row["errors"] == 0
        for row in rows
        for comparison in row["against"].values()
    )
    return {
        "benchmark": "path",
        "machine": describe_machine(),
        "conditions": {
            "connections": many,
            "rounds": options.rounds,
            "seconds": options.seconds,
            "prompt_words": WORDS,
            "transport": options.transport,
        },
        "rows": rows,
        "targets": {"ratio": RATIO_TARGET, "added_ms": ADDED_MS},
        "passed": passed,
        "runs": {f"{name} @{c}": [asdict(x) for x in loads] for (name, c), loads in runs.items()},
    }


def _median(loads: list[WrkResult], field: str) -> float:
    return statistics.median(getattr(load, field) for load in loads)


def _show(report: dict[str, object], console: Console) -> None:
    conditions = report["conditions"]
    assert isinstance(conditions, dict)
    many = conditions["connections"]
    table = Table("case", f"requests/s at {many}", "p99 ms", "p50 ms at 1", "ratio (added ms)")
    rows = report["rows"]
    assert isinstance(rows, list)
    for row in rows:
        table.add_row(
            row["case"],
            f"{row['requests_s']:.0f}",
            f"{row['p99_ms']:.1f}",
            f"{row['p50_ms_alone']:.2f}",
            ", ".join(
                f"{comparison['ratio']:.2f} ({comparison['added_ms']:+.2f}) of {name}"
                for name, comparison in row["against"].items()
            ),
        )
    console.print(table)
    console.print(f"targets {report['targets']}: {'met' if report['passed'] else 'MISSED'}")


def apply_every_limit(url: str, key: str) -> None:
    """Put the bench's tenant on a plan that checks every kind of limit and meets none."""
    plan = {"id": "default", **EVERY_LIMIT}
    headers = {"Authorization": f"Bearer {key}"}
    httpx.put(f"{url}/api/v1/plans/default", json=plan, headers=headers).raise_for_status()


def _json(value: object) -> bytes:
    return json.dumps(value, separators=(",", ":")).encode()


if __name__ == "__main__":
    sys.exit(main())
