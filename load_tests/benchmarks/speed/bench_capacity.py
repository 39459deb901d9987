"""`./mobula bench capacity`: what a request costs each part, and what 1, 10 and 100 nodes carry.

A private cluster is loaded with cached, computed and streamed answers, and the CPU time of its own
processes is counted; then with many tenants, then with many replicas and nothing to do. From that
a model (capacity_model.py) says what a cluster of such nodes carries, and what is full first;
docs/guides/capacity.md explains it.
"""

import argparse
import json
import sys
from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import asdict
from pathlib import Path
from typing import Any

from rich.console import Console

from load_tests.benchmarks.common.local_serve import LocalServe
from load_tests.benchmarks.common.redis_process import RedisProcess
from load_tests.benchmarks.common.wrk import require_wrk
from load_tests.benchmarks.speed.capacity_costs import measure_costs, measure_streams
from load_tests.benchmarks.speed.capacity_model import (
    MeasuredCosts,
    NodeSize,
    RequestCost,
    RequestMix,
    SharedServices,
    plan_capacity,
)
from load_tests.machine import describe_machine

NODES = (1, 10, 100)
MIXES = {
    "short responses, half of them cached": RequestMix(
        {"uncached": 0.5, "cached": 0.5}, {"uncached": 0.5, "cached": 0.005}
    ),
    "answers of half a second": RequestMix({"uncached": 1.0}, {"uncached": 0.5}),
    "streams of ten seconds": RequestMix({"stream": 1.0}, {"stream": 10.0}),
    "the same, 1,000 tenants": RequestMix({"uncached": 1.0}, {"uncached": 0.5}, tenants=1000),
    "a model on the node's cores, 50 ms of a core": RequestMix(
        {"uncached": 1.0}, {"uncached": 0.05}, slots=1, service_cores=1.0
    ),
}


def main(argv: Sequence[str] | None = None) -> int:
    options = _options(argv)
    console, machine = Console(), describe_machine()
    if options.costs:
        costs = parse_costs(json.loads(options.costs.read_text())["costs"])
    else:
        require_wrk()
        with ExitStack() as stack:
            redis = stack.enter_context(RedisProcess()) if options.redis else None
            settings = {"MOBULA_REDIS_URL": redis.url} if redis else {}
            local = stack.enter_context(LocalServe(profile="fast", **settings))
            if options.streams:
                return _measure_streams(local, options, console)
            costs = measure_costs(local, options.seconds, options.tenants, console.print, redis)
    node = NodeSize(options.cores, options.memory_gib * 1024.0)
    report = build_report(costs, node, machine, options.shards)
    text = markdown(report)
    console.print(text, markup=False, soft_wrap=True)
    if options.json:
        options.json.write_text(json.dumps(report, indent=2) + "\n")
    return 0


def _measure_streams(local: LocalServe, options: argparse.Namespace, console: Console) -> int:
    cost, above_idle = measure_streams(local, options.seconds, console.print)
    costs = {"requests": {"stream": asdict(cost)}, "stream_above_idle": asdict(above_idle)}
    console.print("\n".join(_cost_table(costs)), markup=False, soft_wrap=True)
    report = {"benchmark": "capacity", "machine": describe_machine(), "costs": costs}
    if options.json:
        options.json.write_text(json.dumps(report, indent=2) + "\n")
    return 0


def parse_costs(report: dict[str, Any]) -> MeasuredCosts:
    """From the JSON of an earlier run."""
    requests = {kind: RequestCost(**cost) for kind, cost in report["requests"].items()}
    stream = report.get("stream_above_idle")
    above_idle = None if stream is None else RequestCost(**stream)
    return MeasuredCosts(**{**report, "requests": requests, "stream_above_idle": above_idle})


def build_report(
    costs: MeasuredCosts, node: NodeSize, machine: dict[str, object], shards: int = 1
) -> dict[str, Any]:
    shared = SharedServices(limiter_shards=shards)
    plans = {
        name: [asdict(plan_capacity(nodes, node, costs, load, shared)) for nodes in NODES]
        for name, load in MIXES.items()
    }
    return {
        "benchmark": "capacity",
        "machine": machine,
        "node": asdict(node),
        "limiter_shards": shards,
        "costs": asdict(costs),
        "plans": plans,
    }


def markdown(report: dict[str, Any]) -> str:
    costs, node = report["costs"], report["node"]
    lines = [
        *_cost_table(costs),
        "",
        "| of the rest | |",
        "|---|---|",
        *(f"| {name} | {_plain(costs[field])} {unit} |" for name, field, unit in _REST),
        "",
        f"Nodes of {node['cores']} cores and {node['memory_mib'] / 1024:.0f} GiB, their cores "
        f"{node['usable']:.0%} busy, {report['limiter_shards']} shard(s) of the limits' authority:",
        "",
        "| load | nodes | requests/s | ingress replicas | model replicas | full first | then |",
        "|---|---|---|---|---|---|---|",
        *(_plan_row(name, each) for name, plans in report["plans"].items() for each in plans),
        "",
    ]
    return "\n".join(lines)


_REST = (
    ("a shard of the limits' authority, a second and ingress replica", "limiter_replica_ms", "ms"),
    ("the same, for each tenant active there besides", "limiter_ms", "ms of CPU"),
    ("writing a second's usage of 200 keys into SQLite", "ledger_ms", "ms"),
    ("Serve's controller, a second and replica", "controller_ms", "ms of CPU"),
    ("Serve's controller, a second, without replicas", "controller_idle_ms", "ms of CPU"),
    ("a node with nothing to do, a second", "node_ms", "ms of CPU"),
    ("an ingress replica", "replica_mib", "MiB"),
    ("a node without replicas", "node_mib", "MiB"),
)


def _cost_table(costs: dict[str, Any]) -> list[str]:
    above_idle = costs.get("stream_above_idle")
    return [
        "| one request | HAProxy, CPU ms | ingress, CPU ms | model replica, CPU ms | all |",
        "|---|---|---|---|---|",
        *(_cost_row(kind, cost) for kind, cost in costs["requests"].items()),
        *([_cost_row("stream, above idle", above_idle)] if above_idle else []),
    ]


def _plain(value: float) -> str:
    return f"{value:,.0f}" if value >= 100 else f"{value:.3g}"


def _cost_row(kind: str, cost: dict[str, float]) -> str:
    values = [cost["haproxy_ms"], cost["ingress_ms"], cost["model_ms"]]
    shown = " | ".join(f"{value:.3f}" for value in (*values, sum(values)))
    return f"| {kind} | {shown} |"


def _plan_row(name: str, plan: dict[str, Any]) -> str:
    first, second = plan["ceilings"][:2]
    return (
        f"| {name} | {plan['nodes']} | {plan['requests_s']:,.0f} | {plan['ingress']} "
        f"| {plan['models']} | {first['part']} ({first['why']}) "
        f"| {second['part']} at {second['requests_s']:,.0f} |"
    )


def _options(argv: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="mobula bench capacity", description=__doc__)
    add = parser.add_argument
    add("--seconds", type=float, default=6.0, help="length of one measurement")
    add("--tenants", type=int, default=50, help="for the cost of the limiter")
    add("--streams", action="store_true", help="what a stream costs, and nothing else")
    add("--redis", action="store_true", help="a private Redis keeps the limits")
    add("--shards", type=int, default=1, help="of the limits' authority, in the plan")
    add("--cores", type=int, default=16, help="of a node in the plan")
    add("--memory-gib", type=float, default=32.0, help="of a node in the plan")
    add("--costs", type=Path, help="take the costs of an earlier run's JSON instead of measuring")
    add("--json", type=Path, help="also write the report here")
    return parser.parse_args(argv)


if __name__ == "__main__":
    sys.exit(main())
