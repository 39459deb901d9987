"""Requests a second of a cached chat completion, with everything on, beside the least of Serve.

In: one cluster with the bare apps and Mobula. Out: figures; rounds are interleaved, so that a noisy
moment hits all cases, and ratios of medians count.
"""

import json
import statistics
from dataclasses import asdict, dataclass

from load_tests.benchmarks.cache.context import (
    CHAT,
    ECHO,
    CacheBenchmark,
    chat_body,
    read_cache_stats,
    request_until_hit,
)
from load_tests.benchmarks.common.measurement import Measurement
from load_tests.benchmarks.common.wrk import WrkResult, run_wrk
from load_tests.benchmarks.speed.bench_path import PROMPT, apply_every_limit

RATIO, P95_MS = 1.0, 50.0
CACHED, BARE, CEILING = "mobula, cached", "bare FastAPI", "bare ASGI"


@dataclass(frozen=True)
class SpeedCase:
    name: str
    path: str
    directives: dict[str, str]


CASES = [
    SpeedCase(CEILING, "/asgi/chat", {}),
    SpeedCase(BARE, "/hello/chat", {}),
    SpeedCase(CACHED, CHAT, {}),
    SpeedCase("mobula, computed by echo", CHAT, {"Cache-Control": "no-store"}),
]
BODY = chat_body(PROMPT)


def measure_speed(benchmark: CacheBenchmark) -> list[Measurement]:
    from load_tests.benchmarks.common import (
        bare_serve_apps,  # imports Ray, which the cluster has to be made before
    )

    benchmark.print("speed: deploying the bare apps and mobula with the echo engine ...")
    benchmark.local.run_together({"asgi": bare_serve_apps.asgi(), "hello": bare_serve_apps.hello()})
    benchmark.deploy(ECHO)
    apply_every_limit(benchmark.url, benchmark.local.key)
    request_until_hit(benchmark.url, BODY, benchmark.headers, "l1")
    loads: dict[str, list[WrkResult]] = {case.name: [] for case in CASES}
    for case in CASES:
        run_case(benchmark, case, min(2.0, benchmark.options.seconds))
    computed = 0
    for turn in range(benchmark.options.rounds):
        shift = turn % len(CASES)
        for case in [*CASES[shift:], *CASES[:shift]]:
            before = _computed(benchmark)
            loads[case.name].append(run_case(benchmark, case, benchmark.options.seconds))
            computed += (_computed(benchmark) - before) * (case.name == CACHED)
        benchmark.print(f"speed: round {turn + 1} of {benchmark.options.rounds} done")
    request_until_hit(benchmark.url, BODY, benchmark.headers, "l1")
    benchmark.raw["speed"] = {name: [asdict(load) for load in each] for name, each in loads.items()}
    return build_measurements(loads, computed)


def run_case(benchmark: CacheBenchmark, case: SpeedCase, seconds: float) -> WrkResult:
    return run_wrk(
        benchmark.url + case.path,
        json.dumps(BODY, separators=(",", ":")).encode(),
        {**benchmark.headers, **case.directives},
        connections=benchmark.options.connections,
        seconds=seconds,
        scratch=benchmark.scratch,
    )


def _computed(benchmark: CacheBenchmark) -> int:
    """Lookups that did not end in memory, so far."""
    return int(read_cache_stats(benchmark.url, benchmark.headers)["l1"]["misses"])


def build_measurements(loads: dict[str, list[WrkResult]], computed: int) -> list[Measurement]:
    rates = {name: _median(each, "requests_s") for name, each in loads.items()}
    hits = loads[CACHED]
    return [
        *(Measurement("speed", name, rate, "requests/s") for name, rate in rates.items()),
        Measurement("speed", f"cached / {BARE}", rates[CACHED] / rates[BARE], at_least=RATIO),
        Measurement("speed", f"cached / {CEILING}", rates[CACHED] / rates[CEILING]),
        Measurement("speed", "cached, p95", _median(hits, "p95_ms"), "ms", at_most=P95_MS),
        Measurement("speed", "cached, p99", _median(hits, "p99_ms"), "ms"),
        Measurement("speed", "cached, errors", sum(load.errors for load in hits), at_most=0),
        Measurement("speed", "cached, but missed in memory", computed, at_most=0),
    ]


def _median(loads: list[WrkResult], field: str) -> float:
    return statistics.median(getattr(load, field) for load in loads)
