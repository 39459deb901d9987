"""Hit ratio of our SIEVE against LRU, and what an operation costs.

    ./mobula bench hit-ratio --check

In: traces whose popularity follows Zipf's law, some mixed with keys that are requested once. Out:
hit ratios over whole traces from an empty start, the median of several seeds. "10 % size" means
capacity for a tenth as many entries as there are keys that are requested again, all of one weight;
the last rows count the keys requested once too. LRU is an ordered dict that moves what is hit.

Then CPU microseconds: of the queue alone, of the memory tier around it, and of an answer's name.
"""

import argparse
import statistics
import sys
import time
from collections import OrderedDict
from collections.abc import Callable, Iterable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from random import Random
from typing import Any

import numpy as np
from rich.console import Console
from rich.table import Table

from cluster.runtime.clock import SystemClock
from cluster.tenants.caller import Caller
from deployments.cache.keys import answer_key
from deployments.cache.tiers.memory import MemoryTier
from deployments.cache.tiers.sieve import Sieve
from deployments.contracts.cache import Entry, Ttls
from deployments.contracts.generation import GenerateRequest, Message, Sampling
from load_tests.benchmarks.common.measurement import finish_benchmark
from load_tests.machine import describe_machine

RATIO_TARGET = 1.25


@dataclass(frozen=True)
class Workload:
    """`keys` are requested again and again, by Zipf's law with exponent `skew`; a share `once` of
    all requests is for a key of its own. `judged`: the target is for this one."""

    name: str
    skew: float
    once: float
    size: float
    keys: int = 10_000
    of_all_keys: bool = False
    judged: bool = False


WORKLOADS = [
    Workload("zipf 0.8, 30 % once", 0.8, 0.3, 0.10, judged=True),
    Workload("zipf 0.8, 30 % once", 0.8, 0.3, 0.01),
    Workload("zipf 1.0", 1.0, 0.0, 0.01),
    Workload("zipf 1.0", 1.0, 0.0, 0.10),
    Workload("zipf 0.8, 30 % once, 100k keys", 0.8, 0.3, 0.10, keys=100_000),
    Workload("zipf 0.8, 30 % once, of all keys", 0.8, 0.3, 0.10, of_all_keys=True),
]


def main(argv: Sequence[str] | None = None) -> int:
    options = _options(argv)
    rows = [_measured(workload, options.per_key, options.seeds) for workload in WORKLOADS]
    passed = all(row["ratio"] >= RATIO_TARGET for row in rows if row["judged"])
    report = {
        "benchmark": "hit ratio",
        "machine": describe_machine(),
        "conditions": {"requests_per_key": options.per_key, "seeds": options.seeds},
        "targets": {"ratio": RATIO_TARGET},
        "rows": rows,
        "microseconds": _costs(),
        "passed": passed,
    }
    _show(report, Console())
    return finish_benchmark(report, passed, options)


def _options(argv: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="mobula bench hit-ratio", description=__doc__)
    parser.add_argument("--per-key", type=int, default=20, help="a trace's requests for each key")
    parser.add_argument("--seeds", type=int, default=3, help="traces of each workload")
    parser.add_argument("--json", type=Path, help="also write the report here")
    parser.add_argument("--check", action="store_true", help="exit 1 if the target is missed")
    return parser.parse_args(argv)


def generate_trace(workload: Workload, requests: int, seed: int) -> list[int]:
    """The requested keys, in order; those requested once are `keys` and above."""
    rng = np.random.default_rng(seed)
    weights = np.arange(1, workload.keys + 1) ** -workload.skew
    trace = rng.choice(workload.keys, size=requests, p=weights / weights.sum())
    once = rng.random(requests) < workload.once
    trace[once] = workload.keys + np.arange(once.sum())
    return trace.tolist()


def count_lru_hits(trace: Iterable[int], capacity: int) -> int:
    entries: OrderedDict[int, None] = OrderedDict()
    hits = 0
    for key in trace:
        if key in entries:
            entries.move_to_end(key)
            hits += 1
            continue
        entries[key] = None
        if len(entries) > capacity:
            entries.popitem(last=False)
    return hits


def count_sieve_hits(trace: Iterable[int], capacity: int) -> int:
    entries: Sieve[int, bool] = Sieve(capacity)
    hits = 0
    for key in trace:
        if entries.get(key) is None:
            entries.put(key, True, 1)
        else:
            hits += 1
    return hits


def _measured(workload: Workload, per_key: int, seeds: int) -> dict[str, Any]:
    requests = per_key * workload.keys
    lru, sieve, capacity = [], [], 0
    for seed in range(seeds):
        trace = generate_trace(workload, requests, seed)
        keys = len(set(trace)) if workload.of_all_keys else workload.keys
        capacity = int(keys * workload.size)
        lru.append(count_lru_hits(trace, capacity) / requests)
        sieve.append(count_sieve_hits(trace, capacity) / requests)
    return {
        **asdict(workload),
        "capacity": capacity,
        "lru": statistics.median(lru),
        "sieve": statistics.median(sieve),
        "ratio": statistics.median(ours / theirs for ours, theirs in zip(sieve, lru, strict=True)),
    }


def _costs() -> dict[str, float]:
    rng, lives = Random(1), Ttls(60, 600, 3600)
    keys = [rng.randbytes(32) for _ in range(20_000)]
    clock = SystemClock()
    entry = Entry("t", "m", 0, clock.wall(), 1.0, lives, bytes(500))
    sieve: Sieve[bytes, bool] = Sieve(10_000)
    memory = MemoryTier(12_000_000, clock, ceiling_share=1.0)
    request = GenerateRequest(
        "r",
        Caller("t", "k", frozenset()),
        "m",
        Sampling(temperature=0.0),
        (Message("system", "You write captions. " * 10), Message("user", "word " * 100)),
    )
    return {
        "sieve put, full": _each(keys, lambda key: sieve.put(key, True, 1)),
        "sieve get, hit": _each(list(sieve), sieve.get),
        "L1 put, full": _each(keys, lambda key: memory.put(key, entry)),
        "L1 get, hit": _each([key for key in keys if memory.get(key)], memory.get),
        "L1 get, miss": _each([rng.randbytes(32) for _ in range(10_000)], memory.get),
        "name of a chat of 700 characters": _each(
            keys, lambda _: answer_key(bytes(32), request, "state")
        ),
    }


def _each(keys: Sequence[bytes], work: Callable[[bytes], object]) -> float:
    """Microseconds of CPU time a call, the best of five rounds."""
    best = float("inf")
    for _ in range(5):
        began = time.process_time()
        for key in keys:
            work(key)
        best = min(best, time.process_time() - began)
    return best / len(keys) * 1e6


def _show(report: dict[str, object], console: Console) -> None:
    table = Table("workload", "size", "capacity", "LRU", "SIEVE", "SIEVE / LRU")
    rows, costs = report["rows"], report["microseconds"]
    assert isinstance(rows, list)
    assert isinstance(costs, dict)
    for row in rows:
        judged = f" (target {RATIO_TARGET})" if row["judged"] else ""
        figures = (f"{row['lru']:.3f}", f"{row['sieve']:.3f}", f"{row['ratio']:.2f}{judged}")
        table.add_row(row["name"], f"{row['size']:.0%}", str(row["capacity"]), *figures)
    console.print(table)
    for name, microseconds in costs.items():
        console.print(f"{name}: {microseconds:.2f} us")
    console.print(f"targets {report['targets']}: {'met' if report['passed'] else 'MISSED'}")


if __name__ == "__main__":
    sys.exit(main())
