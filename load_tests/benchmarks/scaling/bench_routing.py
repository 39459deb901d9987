"""`./mobula bench routing`: response times under each routing policy, beside Serve's power of two.

In simulated time (routing_simulation.py), so a minute shows hours: equal replicas, one
ten times as slow, one that stops for ten seconds. Also the time that a Fleet takes a call.
"""

import argparse
import time
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from random import Random
from typing import get_args

from rich.console import Console
from rich.table import Table

from cluster.balancing.replica_set import ReplicaSet
from cluster.balancing.replica_state import ReplicaInfo
from cluster.balancing.request_info import RoutingRequest
from cluster.balancing.spec import EjectionSpec, PolicyName, RoutingSpec
from cluster.runtime.clock import ManualClock, SystemClock
from load_tests.benchmarks.common.measurement import (
    Measurement,
    all_met,
    build_table,
    finish_benchmark,
)
from load_tests.benchmarks.scaling.routing_policies import PowerOfTwo, ProductPolicy
from load_tests.benchmarks.scaling.routing_simulation import (
    CODE,
    RoutingPolicy,
    Scenario,
    Simulation,
)
from load_tests.machine import describe_machine

ALIKE = (1.0, 1.0, 1.0, 1.0)
SCENARIOS = (
    Scenario("equal", ALIKE),
    Scenario("one 10x slow", (0.1, 1.0, 1.0, 1.0)),
    Scenario(
        "one stops for 20 s",
        ALIKE,
        lengths=CODE,
        stops_at=60.0,
        stops_for=20.0,
        counted_from=60.0,
        counted_to=80.0,
    ),
)
SERVE = "power of two (Serve)"
COMPARED = (SERVE, "least-requests", "prefix")  # by the figures
OTHERS = tuple(name for name in get_args(PolicyName) if name not in COMPARED)
POLICIES = (*COMPARED, *OTHERS, "least-requests, no ejection")


def main(argv: Sequence[str] | None = None) -> int:
    options = _options(argv)
    console = Console()
    rows = []
    for scenario in SCENARIOS:
        end = min(scenario.counted_to, scenario.counted_from + options.seconds)
        scenario = replace(scenario, counted_to=end)
        for policy in [each for each in POLICIES if each in (*COMPARED, *options.policies)]:
            rows.append(_row(scenario, policy, options))
        console.print(_table(scenario, [row for row in rows if row["scenario"] == scenario.name]))
    measurements = _figures(rows)
    console.print(build_table(measurements))
    report = {
        "benchmark": "routing",
        "machine": describe_machine(),
        "conditions": {"seeds": options.seeds, "seconds": options.seconds},
        "rows": rows,
        "figures": [measurement.to_dict() for measurement in measurements],
    }
    return finish_benchmark(report, all_met(measurements), options)


def _options(argv: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="mobula bench routing", description=__doc__)
    parser.add_argument("--seeds", type=int, default=3, help="runs of each scenario and policy")
    parser.add_argument("--seconds", type=float, default=540.0, help="simulated, at most")
    parser.add_argument(
        "--policies", nargs="*", choices=POLICIES, default=POLICIES,
        help="besides Serve's, least-requests and prefix [default: all]",
    )  # fmt: skip
    parser.add_argument("--json", type=Path, help="also write the report here")
    parser.add_argument("--check", action="store_true", help="exit 1 if a target is missed")
    return parser.parse_args(argv)


def _row(scenario: Scenario, policy: str, options: argparse.Namespace) -> dict[str, float | str]:
    times, hits = [], 0.0
    for seed in range(options.seeds):
        run = Simulation(scenario, lambda *replicas: _policy(policy, *replicas), seed)
        run.run()
        times += run.counted
        hits += run.hit_share / options.seeds
    times.sort()
    quantiles = {f"p{q}": times[int(len(times) * q / 100)] for q in (50, 95, 99)}
    return {
        "scenario": scenario.name,
        "policy": policy,
        **quantiles,
        "max": times[-1],
        "hits": hits,
    }


def _policy(name: str, names: Sequence[str], clock: ManualClock, random: Random) -> RoutingPolicy:
    if name == SERVE:
        return PowerOfTwo(names, random)
    chooser, _, rest = name.partition(",")
    ejection = EjectionSpec(enabled=not rest)
    spec = RoutingSpec.model_validate({"policy": chooser, "ejection": ejection})
    return ProductPolicy(names, spec, clock)


def _table(scenario: Scenario, rows: Sequence[dict[str, float | str]]) -> Table:
    table = Table(scenario.name, "p50 s", "p95 s", "p99 s", "max s", "warm prefixes")
    for row in rows:
        seconds = [f"{row[name]:.2f}" for name in ("p50", "p95", "p99", "max")]
        table.add_row(str(row["policy"]), *seconds, f"{row['hits']:.0%}")
    return table


def _figures(rows: Sequence[dict[str, float | str]]) -> list[Measurement]:
    """Our default against Serve's where replicas are not what they should be."""
    p99 = {(row["scenario"], row["policy"]): float(row["p99"]) for row in rows}
    measurements = []
    for scenario in SCENARIOS:
        ratio = p99[scenario.name, "least-requests"] / p99[scenario.name, SERVE]
        at_most = 1.1 if scenario.name == "equal" else 0.7
        name = "p99 of least-requests to Serve's"
        measurements.append(Measurement(scenario.name, name, ratio, at_most=at_most))
    hits = {row["policy"]: float(row["hits"]) for row in rows if row["scenario"] == "equal"}
    gain = hits["prefix"] / max(0.01, hits["least-requests"])
    measurements.append(
        Measurement("equal", "warm prefixes, to least-requests", gain, at_least=1.3)
    )
    for count in (1, 4):
        measurements.append(
            Measurement(f"{count} replicas", "the Fleet's part of a call", _cost_us(count), "us")
        )
    return measurements


def _cost_us(replicas: int, calls: int = 5000, rounds: int = 5) -> float:
    """Place, accept, report and end, by the clock of the machine; the best round."""
    fleet = ReplicaSet(RoutingSpec(), SystemClock())
    names = frozenset(f"r{number}" for number in range(replicas))
    fleet.update(ReplicaInfo(name) for name in names)
    best = float("inf")
    for _ in range(rounds):
        began = time.perf_counter()
        for number in range(calls):
            placement = fleet.place(RoutingRequest(str(number), 100), names)
            assert placement is not None
            fleet.alive(placement)
            fleet.report(placement.call, "ok", 0.1)
            fleet.ended(placement)
        best = min(best, time.perf_counter() - began)
    return best / calls * 1e6


if __name__ == "__main__":
    raise SystemExit(main())
