"""How long a cached response takes, from memory and from the shared tier, beside the shipped model.

In: one cluster. Out: figures of one connection: medians of interleaved rounds of wrk's p50.
"""

import json
import statistics
from dataclasses import asdict

from load_tests.benchmarks.cache.context import CHAT, CacheBenchmark, chat_body, request_until_hit
from load_tests.benchmarks.common.measurement import Measurement
from load_tests.benchmarks.common.wrk import WrkResult, run_wrk

NANO = {"id": "nano", "engine": "openvino", "source": "nano", "num_cpus": 0.1}
BODY = chat_body(
    "Write an Instagram caption about a rooftop coffee bar with a view of the harbour", "nano"
)
NO_STORE = {"Cache-Control": "no-store"}
TARGETS = {"l1": 0.05, "l2": 0.2}


def measure_latency(benchmark: CacheBenchmark) -> list[Measurement]:
    measurements: list[Measurement] = []
    for tier, cache in (("l1", {}), ("l2", {"memory_mib": 0})):
        benchmark.print(f"latency: deploying the nano model, cached in {tier} ...")
        benchmark.deploy(NANO, shared="embedded", **cache)
        request_until_hit(benchmark.url, BODY, benchmark.headers, tier)
        loads = _rounds(benchmark)
        request_until_hit(benchmark.url, BODY, benchmark.headers, tier)
        benchmark.raw[f"latency, {tier}"] = {
            name: [asdict(load) for load in each] for name, each in loads.items()
        }
        measurements += build_measurements(tier, loads)
    return measurements


def _rounds(benchmark: CacheBenchmark) -> dict[str, list[WrkResult]]:
    loads: dict[str, list[WrkResult]] = {"computed": [], "hit": []}
    for turn in range(benchmark.options.rounds + 1):  # the first warms up
        for name, directives in (("computed", NO_STORE), ("hit", {})):
            load = run_wrk(
                benchmark.url + CHAT,
                json.dumps(BODY).encode(),
                {**benchmark.headers, **directives},
                connections=1,
                seconds=benchmark.options.seconds,
                scratch=benchmark.scratch,
            )
            if turn:
                loads[name].append(load)
    return loads


def build_measurements(tier: str, loads: dict[str, list[WrkResult]]) -> list[Measurement]:
    computed, hit = (
        statistics.median(load.p50_ms for load in loads[name]) for name in ("computed", "hit")
    )
    errors = sum(load.errors for each in loads.values() for load in each)
    return [
        Measurement("latency", f"computed (beside {tier}), p50", computed, "ms"),
        Measurement("latency", f"{tier}, p50", hit, "ms"),
        Measurement("latency", f"{tier} / computed", hit / computed, at_most=TARGETS[tier]),
        Measurement("latency", f"{tier}, errors", errors, at_most=0),
    ]
