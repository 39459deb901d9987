"""`./mobula bench cache`: what cached responses gain, and what they must not cost.

One private cluster, on which each part deploys what it needs and measures it against its target:
speed beside the bare apps in one interleaved run, latency beside the shipped model, coalescing over
four ingress replicas, how soon an invalidation holds everywhere, and what timing gives away.

On request only: litellm (installs a LiteLLM proxy in an environment of its own and measures it in
turn with Mobula), and three that need no cluster and have options of their own, as
`./mobula bench hit-ratio`, `bench semantic` and `bench cache-memory` (ten minutes).
"""

import argparse
import contextlib
import importlib
import json
import os
import sys
import tempfile
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from pathlib import Path

from rich.console import Console

from load_tests.benchmarks.cache.coalescing import measure_coalescing
from load_tests.benchmarks.cache.context import CacheBenchmark
from load_tests.benchmarks.cache.invalidation import measure_invalidation
from load_tests.benchmarks.cache.latency import measure_latency
from load_tests.benchmarks.cache.litellm import measure_litellm
from load_tests.benchmarks.cache.speed import measure_speed
from load_tests.benchmarks.cache.timing import measure_timing
from load_tests.benchmarks.common.local_serve import LocalServe
from load_tests.benchmarks.common.measurement import (
    Measurement,
    all_met,
    build_table,
    finish_benchmark,
)
from load_tests.benchmarks.common.redis_process import RedisProcess
from load_tests.benchmarks.common.wrk import require_wrk
from load_tests.machine import describe_machine

Part = Callable[[CacheBenchmark], list[Measurement]]

PARTS: dict[str, Part] = {
    "speed": measure_speed,
    "latency": measure_latency,
    "coalesce": measure_coalescing,
    "invalidate": measure_invalidation,
    "timing": measure_timing,
    "litellm": measure_litellm,
}
OTHERS = {
    "hit-ratio": "bench_hit_ratio",
    "semantic": "bench_semantic",
    "memory": "bench_cache_memory",
}
DEFAULT = tuple(part for part in PARTS if part != "litellm")
REDIS = "MOBULA_REDIS_URL"


def main(argv: Sequence[str] | None = None) -> int:
    options = _options(argv)
    console = Console()
    measurements: list[Measurement] = []
    raw: dict[str, object] = {}
    with tempfile.TemporaryDirectory() as scratch:
        for name in options.part:
            if name in OTHERS:
                measurements.append(_other(name, Path(scratch) / f"{name}.json", raw))
        parts = [name for name in options.part if name in PARTS]
        if parts:
            measurements += _clustered(parts, options, console, Path(scratch), raw)
    console.print(build_table(measurements))
    passed = all_met(measurements)
    console.print("every target was met" if passed else "a target was MISSED")
    return finish_benchmark(build_report(measurements, options, raw), passed, options)


def _clustered(
    parts: Sequence[str],
    options: argparse.Namespace,
    console: Console,
    scratch: Path,
    raw: dict[str, object],
) -> list[Measurement]:
    require_wrk()
    measurements: list[Measurement] = []
    with ExitStack() as stack:
        settings = {}
        if options.redis:
            settings[REDIS] = os.environ.get(REDIS) or stack.enter_context(RedisProcess()).url
        local = stack.enter_context(LocalServe(profile="fast", **settings))
        benchmark = CacheBenchmark(local, options, console, scratch, raw)
        for name in parts:
            part_measurements = PARTS[name](benchmark)
            console.print(build_table(part_measurements))
            measurements += part_measurements
    return measurements


def _other(name: str, path: Path, raw: dict[str, object]) -> Measurement:
    """A benchmark with a table of its own: one figure, whether it met its targets."""
    other = importlib.import_module(f"load_tests.benchmarks.cache.{OTHERS[name]}")
    code = other.main(["--check", "--json", str(path)])
    with contextlib.suppress(OSError, ValueError):
        raw[name] = json.loads(path.read_text())
    return Measurement(name, "targets missed (its own table is above)", code, at_most=0)


def build_report(
    measurements: Sequence[Measurement], options: argparse.Namespace, raw: dict[str, object]
) -> dict[str, object]:
    conditions = {
        name: value for name, value in vars(options).items() if name not in ("json", "check")
    }
    return {
        "benchmark": "cache",
        "machine": describe_machine(),
        "conditions": conditions,
        "figures": [figure.to_dict() for figure in measurements],
        "passed": all_met(measurements),
        "raw": raw,
    }


def parse_parts(text: str) -> list[str]:
    """The parts of a comma-separated list; raises ArgumentTypeError naming what there is."""
    known = [*PARTS, *OTHERS]
    names = [name.strip() for name in text.split(",") if name.strip()]
    unknown = [name for name in names if name not in known]
    if unknown or not names:
        raise argparse.ArgumentTypeError(f"{text!r}: parts are {', '.join(known)}")
    return list(dict.fromkeys(names))


def _options(argv: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="mobula bench cache", description=__doc__)
    add = parser.add_argument
    add("--part", type=parse_parts, default=list(DEFAULT), help=f"[default: {','.join(DEFAULT)}]")
    add("--rounds", type=int, default=5, help="speed, latency, litellm: how often each is measured")
    add("--seconds", type=float, default=4.0, help="speed, latency, litellm: of one measurement")
    add("--connections", type=int, default=16, help="speed, litellm: how many at once")
    add("--clients", type=int, default=100, help="coalesce: equal requests at once")
    add("--bursts", type=int, default=3, help="coalesce: how often each is done; the worst counts")
    add("--redis", action="store_true", help="coalesce: also over Redis (a private one if need be)")
    add("--invalidations", type=int, default=100, help="invalidate: how many")
    add("--prompts", type=int, default=2000, help="timing: how many")
    add("--json", type=Path, help="also write the report here")
    add("--check", action="store_true", help="exit 1 if a target is missed")
    return parser.parse_args(argv)


if __name__ == "__main__":
    sys.exit(main())
