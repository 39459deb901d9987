"""`./mobula bench compare`: Mobula, bare Serve, LiteLLM, SMG and Portkey side by side.

All are up on this machine at the same time and measured in turn, round after round, so that a noisy
moment hits all; medians are shown. Each answers with the prompt again: Mobula from its echo engine
with authentication, every kind of limit, usage, audit and cache on; bare Serve from a FastAPI
deployment that calls an echo deployment (no authentication, no limits, no cache); LiteLLM (one
worker, one key), SMG and Portkey's gateway (no keys, no limits) from one echo server under uvicorn,
because they run no engines. That server is measured alone too: it bounds the three. Gateways are
installed in environments of their own in the first run.

With --forward Mobula runs no engine either: its model is a provider's, that echo server, so that
all do the same work, Mobula with keys, limits, budgets, usage and audit; bare Serve is left out.

unary: computed answers. cached: cache hits (only Mobula and LiteLLM have a cache). stream: 50
tokens at 100 a second, a chunk each with all of them, so a stream that is not held up takes half a
second and its first chunk 10 ms.
"""

import argparse
import sys
import tempfile
from collections.abc import Sequence
from dataclasses import asdict
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from rich.console import Console

from cluster.runtime.clock import SystemClock
from load_tests.benchmarks.common.local_serve import LocalServe
from load_tests.benchmarks.common.measurement import finish_benchmark
from load_tests.benchmarks.common.wrk import WrkResult, require_wrk, run_wrk
from load_tests.benchmarks.speed.compare.contenders import ECHO_SERVER, start_contenders
from load_tests.benchmarks.speed.compare.gateways import GATEWAYS
from load_tests.benchmarks.speed.compare.goals import forwarding_goals
from load_tests.benchmarks.speed.compare.report import (
    CASES,
    CaseResult,
    build_rows,
    compute_ratios,
    markdown,
)
from load_tests.benchmarks.speed.compare.streams import StreamResult, run_streams
from load_tests.benchmarks.speed.compare.targets import Contender
from load_tests.machine import describe_machine

CONNECTIONS = (1, 16, 64)


def main(argv: Sequence[str] | None = None) -> int:
    options = _options(argv)
    console, machine = Console(), describe_machine()
    require_wrk()
    measured: list[CaseResult] = []
    with LocalServe() as local, tempfile.TemporaryDirectory() as folder:
        scratch = Path(folder)
        console.print("starting the contenders ...")
        with start_contenders(
            local,
            scratch,
            gateways=options.gateways,
            forward=options.forward,
            ingress_replicas=options.ingress,
        ) as contenders:
            names = [contender.name for contender in contenders]
            for turn in range(options.rounds + 1):  # the first warms up
                seconds = options.seconds if turn else min(2.0, options.seconds)
                some = _round(contenders, options.connections, seconds, turn, scratch)
                measured += some if turn else []
                console.print(f"round {turn} of {options.rounds} done")
    report = _report(measured, names[0], machine, options)
    text = markdown(report)
    console.print(text, markup=False, soft_wrap=True)
    if options.report:
        options.report.mkdir(parents=True, exist_ok=True)
        (options.report / "compare.md").write_text(f"# Compared\n\n{text}")
        console.print(f"report: {options.report / 'compare.md'}")
    goals_met = all(goal["met"] for goal in report["goals"])
    return finish_benchmark(
        report, goals_met and not any(m.found.errors for m in measured), options
    )


def _round(
    contenders: Sequence[Contender],
    connections: Sequence[int],
    seconds: float,
    turn: int,
    scratch: Path,
) -> list[CaseResult]:
    """Everybody once in each case of the first one; who comes first changes from round to round."""
    shift = turn % len(contenders)
    order = [*contenders[shift:], *contenders[:shift]]
    return [
        CaseResult(contender.name, case, many, _one(contender, case, many, seconds, scratch))
        for case in CASES
        if case in contenders[0].targets
        for many in connections
        for contender in order
        if case in contender.targets
    ]


def _one(
    contender: Contender, case: str, connections: int, seconds: float, scratch: Path
) -> WrkResult | StreamResult:
    target = contender.targets[case]
    if case == "stream":
        return run_streams(target, connections=connections, seconds=seconds)
    headers = {"Content-Type": "application/json", **target.headers}
    if target.key:
        headers["Authorization"] = f"Bearer {target.key}"
    return run_wrk(
        target.url, target.body, headers,
        connections=connections, seconds=seconds, scratch=scratch,
    )  # fmt: skip


def _report(
    measured: Sequence[CaseResult],
    ours: str,
    machine: dict[str, object],
    options: argparse.Namespace,
) -> dict[str, Any]:
    rows = build_rows(measured)
    goals = forwarding_goals(rows, ours, ECHO_SERVER) if options.forward else []
    return {
        "benchmark": "compare",
        "date": datetime.fromtimestamp(SystemClock().wall(), UTC).date().isoformat(),
        "machine": machine,
        "conditions": {
            "rounds": options.rounds,
            "seconds": options.seconds,
            "connections": list(options.connections),
            "forward": options.forward,
            "ingress": options.ingress,
        },
        "rows": rows,
        "ratios": compute_ratios(rows, ours),
        "goals": [goal.to_dict() for goal in goals],
        "runs": [{**asdict(m), "found": asdict(m.found)} for m in measured],
    }


def _numbers(text: str) -> tuple[int, ...]:
    try:
        counts = tuple(int(part) for part in text.split(","))
    except ValueError:
        counts = ()
    if not counts or min(counts) < 1:
        raise argparse.ArgumentTypeError(f"{text!r}: numbers from 1 on, such as 1,16,64")
    return counts


def _gateways(text: str) -> list[str]:
    names = [] if text == "none" else text.split(",")
    if unknown := [name for name in names if name not in GATEWAYS]:
        raise argparse.ArgumentTypeError(f"{unknown[0]!r}: gateways are {', '.join(GATEWAYS)}")
    return names


def _options(argv: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="mobula bench compare", description=__doc__)
    add = parser.add_argument
    add("--rounds", type=int, default=3, help="how often each case is measured")
    add("--seconds", type=float, default=4.0, help="length of one measurement")
    add("--connections", type=_numbers, default=CONNECTIONS, help="such as 1,16,64")
    add("--ingress", type=int, default=1, help="replicas of Mobula's ingress, with --forward")
    add("--gateways", type=_gateways, default=[*GATEWAYS], help="such as smg,portkey, or none")
    add("--forward", action="store_true", help="Mobula forwards to the gateways' echo server too")
    add("--json", type=Path, help="also write the report here")
    add("--report", type=Path, metavar="DIR", help="also write Markdown there")
    add("--check", action="store_true", help="exit 1 if there were errors or goals missed")
    return parser.parse_args(argv)


if __name__ == "__main__":
    sys.exit(main())
