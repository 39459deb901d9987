"""Every benchmark command comes to a report: tiny runs of those without a cluster.

The others have theirs elsewhere: SMOKE_RUNS says where, and a new benchmark has to be added there.
"""

import importlib
import json
from dataclasses import asdict
from pathlib import Path

import pytest

from cluster.cli.bench import GROUPS
from load_tests.benchmarks.against.figures import extract_figures
from load_tests.benchmarks.speed.capacity_model import MeasuredCosts, RequestCost

TESTS = Path(__file__).parents[3]
HERE = "tools/load_tests/benchmarks/test_benchmarks_start.py"
CLUSTER = "cluster/test_benchmarks.py"  # on the cluster of the tier
ALONE = "chaos/test_benchmark_commands.py"  # the command itself, with --all

# By benchmark: the file with its short run in `./mobula test`, or one with a short run of its parts
# where the command itself takes long and runs with --all.
SMOKE_RUNS = {
    "path": CLUSTER,
    "stream": CLUSTER,
    "compare": CLUSTER,
    "capacity": HERE,
    "cpu": HERE,
    "doors": HERE,
    "observe": HERE,
    "metrics": HERE,
    "traces": "cluster/test_traces.py",
    "upstream-client": HERE,
    "guardrails": HERE,
    "engine": "engines/text/test_engine_contract.py",
    "tools": "engines/text/test_forced_calls.py",
    "structured": "engines/text/test_structured_output.py",
    "embeddings": "engines/encoders/test_bench_embeddings.py",
    "load": "cluster/test_load_tests.py",
    "up": "chaos/test_up_leaves_nothing.py",
    "room": "tools/load_tests/benchmarks/speed/test_bench_room.py",
    "cache": CLUSTER,
    "hit-ratio": HERE,
    "semantic": "tools/load_tests/benchmarks/cache/test_paraphrases.py",
    "cache-memory": HERE,
    "followers": "cluster/test_abandoned_leaders.py",
    "limits": "chaos/test_limits_under_faults.py",
    "limit-simulation": HERE,
    "limit-scale": HERE,
    "fairness": ALONE,
    "ledger": "contract/load_tests/benchmarks/limits/test_bench_ledger.py",
    "speech": "tools/load_tests/benchmarks/content/test_bench_speech.py",
    "text": "cluster/test_text.py",
    "optimize": HERE,
    "documents": HERE,
    "search": HERE,
    "library": "contract/load_tests/benchmarks/content/test_bench_library.py",
    "batch": CLUSTER,
    "video": "tools/load_tests/benchmarks/video/test_video_goals.py",
    "highlights": "video/test_planted_highlights.py",
    "chaos": "tools/load_tests/benchmarks/faults/test_chaos_invariants.py",
    "failover": ALONE,
    "recovery": "chaos/test_up_comes_back.py",
    "nodes": "chaos/test_nodes.py",
    "health": "tools/load_tests/benchmarks/faults/test_lasting_faults.py",
    "panels": "tools/load_tests/benchmarks/faults/test_watched_dashboards.py",
    "alerts": "tools/load_tests/benchmarks/faults/test_watched_dashboards.py",
    "slow-clients": "contract/haproxy/test_bench_slow_clients.py",
    "disconnects": CLUSTER,
    "hostile-input": "unit/ingress/test_hostile_input.py",
    "autoscaling": HERE,
    "routing": HERE,
}
TINY = {
    "search": "--vectors-by-words --collections 3 --points 1500",
    "documents": "--part answers --questions 4 --vectors-by-words",
    "optimize": "--drafts 6 --posts 220 --seeds 1 --words-only",
    "hit-ratio": "--per-key 1 --seeds 1",
    "cache-memory": "--seconds 0.3 --mib 4",
    "limit-simulation": "--seconds 1 --replicas 2",
    "limit-scale": "--tenants 10 40 --replicas 3 --shards 2 --seconds 3 --check",
    "cpu": "--rounds 1 --requests 16 --connections 4 --only chat",
    "doors": "--rounds 3 --check",  # its goals do not depend on the machine
    "observe": "--rounds 1 --requests 200",
    "metrics": "--scrapes 2 --tenants 3 --models 1 --replicas 2 --strangers 20",
    "upstream-client": "--requests 4 --rounds 1",
    "guardrails": "--requests 4 --planted 40",
    "routing": "--seeds 1 --seconds 5 --policies round-robin",
    "autoscaling": "--seeds 1 --hours 0.02 --traces step",
}
COSTS = MeasuredCosts(
    requests={kind: RequestCost(0.1, 0.2, 0.3) for kind in ("uncached", "cached", "stream")},
    limiter_replica_ms=1.0,
    limiter_ms=0.05,
    ledger_ms=5.0,
    controller_ms=1.0,
    controller_idle_ms=100.0,
    node_ms=0.0,
    replica_mib=200.0,
    node_mib=1000.0,
)


def main_of(name: str, arguments: list[str]) -> int:
    [group] = [group for group in GROUPS if name in GROUPS[group].benchmarks]
    module = f"load_tests.benchmarks.{group}.bench_{name.replace('-', '_')}"
    return int(importlib.import_module(module).main(arguments))


def test_every_benchmark_has_a_short_run_in_these_tests() -> None:
    assert SMOKE_RUNS.keys() == {name for group in GROUPS.values() for name in group.benchmarks}
    assert [name for name, path in SMOKE_RUNS.items() if not (TESTS / path).exists()] == []
    assert {name for name, path in SMOKE_RUNS.items() if path == HERE} == {*TINY, "capacity"}


@pytest.mark.parametrize("name", TINY)
def test_a_tiny_run_comes_to_a_report(name: str, tmp_path: Path) -> None:
    report = tmp_path / "report.json"

    assert main_of(name, [*TINY[name].split(), "--json", str(report)]) == 0

    assert extract_figures(json.loads(report.read_text()))


def test_capacity_is_planned_from_the_costs_of_an_earlier_run(tmp_path: Path) -> None:
    earlier, report = tmp_path / "costs.json", tmp_path / "report.json"
    earlier.write_text(json.dumps({"costs": asdict(COSTS)}))

    assert main_of("capacity", ["--costs", str(earlier), "--json", str(report)]) == 0

    assert json.loads(report.read_text())["costs"] == asdict(COSTS)
