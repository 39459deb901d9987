"""What the memory tier really takes of a process under an adversarial flood of keys.

    ./mobula bench cache-memory --seconds 600 --check

In: a budget. Out: the highest share of it that was in use while each flood ran in turn, and then
all together: as the tier counts it, and as Python's allocator does (tracemalloc). The target is for
the second. `--resident` looks at the process's resident memory instead, which also has what the
allocator cannot give back yet: pages that one small object still lives on. It has no target.
"""

import argparse
import gc
import sys
import time
import tracemalloc
from collections.abc import Callable, Sequence
from pathlib import Path
from random import Random
from typing import Any

import psutil
from rich.console import Console
from rich.table import Table

from cluster.runtime.clock import ManualClock
from deployments.cache.tiers.memory import MemoryTier
from load_tests.benchmarks.cache.memory_floods import FLOODS, Flood, combine_floods
from load_tests.benchmarks.common.measurement import finish_benchmark
from load_tests.machine import describe_machine

TOLERANCE = 1.1
STEPS = 200  # between two looks at the process
SEED = 2024


def main(argv: Sequence[str] | None = None) -> int:
    options = _options(argv)
    budget = options.mib * 2**20
    gc.collect()
    if not options.resident:
        tracemalloc.start()
    look = _resident if options.resident else _allocated
    base = look()
    clock = ManualClock()
    memory = MemoryTier(budget, clock, ceiling_share=1.0)
    floods = [*FLOODS, combine_floods]
    rng = Random(SEED)
    rows = []
    for flood in floods:
        row = _flood(memory, flood, rng, options.seconds / len(floods), look)
        row["used"] = (row["used"] - base) / budget
        row["counted"] = row["counted"] / budget
        rows.append(row)
        clock.advance(options.seconds / len(floods))
    judged = [] if options.resident else [row["used"] <= TOLERANCE for row in rows]
    passed = all(judged) and all(row["counted"] <= 1 for row in rows)
    report = {
        "benchmark": "cache memory",
        "machine": describe_machine(),
        "conditions": {
            "mib": options.mib,
            "seconds": options.seconds,
            "measured": "resident" if options.resident else "allocated",
        },
        "targets": {} if options.resident else {"used": TOLERANCE},
        "rows": rows,
        "passed": passed,
    }
    _show(report, Console())
    return finish_benchmark(report, passed, options)


def _options(argv: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="mobula bench cache-memory", description=__doc__)
    parser.add_argument("--seconds", type=float, default=600.0, help="length of all floods")
    parser.add_argument("--mib", type=int, default=64, help="the tier's budget")
    parser.add_argument("--resident", action="store_true", help="the process's resident memory")
    parser.add_argument("--json", type=Path, help="also write the report here")
    parser.add_argument("--check", action="store_true", help="exit 1 if a target is missed")
    return parser.parse_args(argv)


def _allocated() -> int:
    return tracemalloc.get_traced_memory()[0]


def _resident() -> int:
    return psutil.Process().memory_info().rss


def _flood(
    memory: MemoryTier, flood: Flood, rng: Random, seconds: float, look: Callable[[], int]
) -> dict[str, Any]:
    """How the tier stands after the flood, and the most bytes that were seen meanwhile."""
    source = flood(memory, rng)
    used = counted = steps = 0
    until = time.monotonic() + seconds
    while time.monotonic() < until:
        for _ in range(STEPS):
            next(source)
        steps += STEPS
        used = max(used, look())
        counted = max(counted, memory.figures()["bytes"])
    figures = memory.figures()
    held = {name: figures[name] for name in ("entries", "aliases", "tenants")}
    return {"flood": flood.__name__, "steps": steps, **held, "counted": counted, "used": used}


def _show(report: dict[str, Any], console: Console) -> None:
    table = Table("flood", "steps", "entries", "aliases", "tenants", "counted", "used")
    for row in report["rows"]:
        counts = [str(row[name]) for name in ("flood", "steps", "entries", "aliases", "tenants")]
        table.add_row(*counts, f"{row['counted']:.3f}", f"{row['used']:.3f}")
    console.print(table)
    console.print(f"measured: {report['conditions']['measured']}")
    console.print(f"targets {report['targets']}: {'met' if report['passed'] else 'MISSED'}")


if __name__ == "__main__":
    sys.exit(main())
