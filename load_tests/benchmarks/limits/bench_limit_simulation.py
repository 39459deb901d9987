"""How near the distributed limiter comes to one perfect token bucket, in simulated time.

    ./mobula bench limit-simulation

In: replicas, limits, shapes of traffic. Out: a table of overshoot (never above 0), admitted
against ideal, exchanges for each admitted request, and the share of requests that waited.
"""

import argparse
import asyncio
import random
import sys
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from cluster.tenants.plan import Plan
from deployments.limiter.authority.memory import MemoryAuthority
from load_tests.benchmarks.common.measurement import figure_key, finish_benchmark
from load_tests.benchmarks.common.virtual_time import LoopClock, run_in_virtual_time
from load_tests.benchmarks.limits.simulated_limiters import (
    SimulatedLimiters,
    SimulatedNetwork,
    compute_overshoot,
    count_ideal_admissions,
)
from load_tests.machine import describe_machine

Arrival = tuple[float, int]  # seconds, replica


@dataclass(frozen=True)
class LimitScenario:
    """`load` is offered traffic as a multiple of the limit of `rate` requests a second."""

    shape: str
    replicas: int
    rate: int
    capacity: int
    load: float
    seconds: float = 20.0
    seed: int = 1


@dataclass(frozen=True)
class LimitOutcome:
    """`efficiency` is admitted / ideal; `calls` is exchanges / admitted."""

    overshoot: float
    efficiency: float
    calls: float
    waited: float
    admitted: int


def uniform(s: LimitScenario, rng: random.Random) -> Iterator[Arrival]:
    at = 0.0
    while at < s.seconds:
        at += rng.expovariate(s.rate * s.load)
        yield at, rng.randrange(s.replicas)


def zipf(s: LimitScenario, rng: random.Random) -> Iterator[Arrival]:
    weights = [1 / (1 + i) for i in range(s.replicas)]
    for at, _ in uniform(s, rng):
        yield at, rng.choices(range(s.replicas), weights)[0]


def shifting(s: LimitScenario, rng: random.Random) -> Iterator[Arrival]:
    """All traffic at one replica, another each 5 s."""
    for at, _ in uniform(s, rng):
        yield at, int(at / 5) % s.replicas


def bursty(s: LimitScenario, rng: random.Random) -> Iterator[Arrival]:
    """Half a second of four times the load, then a second and a half of nothing."""
    for at, replica in uniform(s, rng):
        yield (at // 2) * 2 + (at % 2) / 4, replica


def at_once(s: LimitScenario, rng: random.Random) -> Iterator[Arrival]:
    """Twice the burst within 10 ms each 3 s, half of it at one replica."""
    for start in range(0, int(s.seconds), 3):
        for number in range(2 * s.capacity):
            replica = start % s.replicas if number % 2 else rng.randrange(s.replicas)
            yield start + rng.uniform(0.0, 0.01), replica


def on_top(s: LimitScenario, rng: random.Random) -> Iterator[Arrival]:
    """The same, over a fifth of the limit arriving all the time."""
    yield from at_once(s, rng)
    for at, replica in uniform(s, rng):
        if rng.random() < 0.2 / s.load:
            yield at, replica


SHAPES: dict[str, Callable[[LimitScenario, random.Random], Iterator[Arrival]]] = {
    "uniform": uniform,
    "zipf": zipf,
    "shifting": shifting,
    "bursty": bursty,
    "at once": at_once,
    "on top": on_top,
}


def simulate(scenario: LimitScenario) -> LimitOutcome:
    return run_in_virtual_time(_simulate(scenario))


async def _simulate(s: LimitScenario) -> LimitOutcome:
    loop = asyncio.get_running_loop()
    plan = Plan.model_validate(
        {
            "id": "p",
            "rates": {
                "generate": {"requests": {"limit": s.rate, "per": "second", "burst": s.capacity}}
            },
        }
    )
    fleet = SimulatedLimiters(MemoryAuthority(LoopClock(loop)), SimulatedNetwork(s.seed), plan)
    await fleet.grow(s.replicas)
    arrivals = sorted(SHAPES[s.shape](s, random.Random(s.seed)))
    began, tasks = loop.time(), []
    for at, replica in arrivals:
        if began + at > loop.time():
            await asyncio.sleep(began + at - loop.time())
        tasks.append(asyncio.create_task(fleet.request(replica)))
    await asyncio.gather(*tasks)
    await fleet.close()
    best = count_ideal_admissions([began + at for at, _ in arrivals], s.rate, s.capacity)
    return LimitOutcome(
        compute_overshoot(fleet.admitted, s.rate, s.capacity),
        len(fleet.admitted) / best,
        fleet.exchanges / len(fleet.admitted),
        sum(wait > 0 for wait in fleet.waits) / len(fleet.waits),
        len(fleet.admitted),
    )


def main(argv: Sequence[str] | None = None) -> int:
    options = _options(argv)
    print("shape     N   rate  burst  load  overshoot  of ideal  calls/admitted  waited")
    rows: list[dict[str, Any]] = []
    for shape in SHAPES:
        for replicas in options.replicas:
            for load in (0.9, 3.0):
                s = LimitScenario(shape, replicas, 500, 64 * replicas, load, options.seconds)
                o = simulate(s)
                print(
                    f"{shape:8} {replicas:2} {s.rate:6} {s.capacity:6} {load:5.1f} "
                    f"{o.overshoot:10.2f} {o.efficiency:9.3f} {o.calls:15.3f} {o.waited:7.3f}"
                )
                key = figure_key(shape, str(replicas), f"load {load:g}")
                rows.append({"key": key, "shape": shape, "load": load, "replicas": replicas})
                rows[-1].update(asdict(o))
    report = {
        "benchmark": "limit simulation",
        "machine": describe_machine(),
        "conditions": {"seconds": options.seconds},
        "rows": rows,
    }
    return finish_benchmark(report, passed=True, options=options)


def _options(argv: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="mobula bench limit-simulation", description=__doc__)
    add = parser.add_argument
    add("--seconds", type=float, default=20.0, help="simulated, of each scenario")
    add("--replicas", type=int, nargs="+", default=[1, 4, 8, 16], help="that share the limit")
    add("--json", type=Path, help="also write the report here")
    parser.set_defaults(check=False)
    return parser.parse_args(argv)


if __name__ == "__main__":
    sys.exit(main())
