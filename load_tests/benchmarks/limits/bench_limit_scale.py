"""`./mobula bench limit-scale`: many tenants at many ingress replicas, in simulated time.

The very limiters and authority shards of a cluster run in one process over a simulated network;
exchanges are pickled as between processes. First tenants that are inside their leases: each uses
what it holds at every replica, and the CPU time that the shards spend is counted for more and more
tenants. Then load: some tenants ask for three times their limits, the others for little, and no
interval of any tenant may have admitted more than its limit.
"""

import argparse
import asyncio
import gc
import pickle
import random
import sys
import time
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

from rich.console import Console
from rich.table import Table

from cluster.runtime.problems import RateLimited
from cluster.tenants.plan import Plan, RequestClass
from deployments.limiter.authority.hand_over import ShardAnswer, ShardExchange
from deployments.limiter.authority.shard import AuthorityShard
from deployments.limiter.tenant_limiter import TenantLimiter
from load_tests.benchmarks.common.measurement import figure_key, finish_benchmark
from load_tests.benchmarks.common.virtual_time import LoopClock, run_in_virtual_time
from load_tests.benchmarks.limits.simulated_limiters import compute_overshoot, nothing_spent
from load_tests.benchmarks.limits.simulated_shards import (
    SimulatedLimiterClient,
    SimulatedShardClient,
    SimulatedShards,
)
from load_tests.machine import describe_machine

WIDE_RATE, WIDE_BURST = 600, 600  # of tenants inside their leases
RATE, BURST = 10, 20  # of tenants under load
HOT_SHARE, HOT_LOAD, COOL_RATE = 0.01, 3.0, 0.2  # tenants, times the limit; requests/s of others
USES = 3  # of each tenant at each replica, inside its lease
EXACT = 1e-4  # of a request; floating point over seconds
GENERATE = RequestClass.GENERATE


@dataclass
class AuthorityMeter:
    """What all shards have done: CPU seconds, exchanges, lease requests."""

    cpu_s: float = 0.0
    exchanges: int = 0
    requests: int = 0


@dataclass(frozen=True)
class ScaleRow:
    """`*_s` are rates a second of simulated time."""

    tenants: int
    requests_s: float
    waited: float
    exchanges_s: float
    lease_requests_s: float
    authority_cpu_ms_s: float
    overshoot: float


class MeteredClient(SimulatedLimiterClient):
    """One replica's way to the metered shards."""

    def __init__(self, shards: SimulatedShards, meter: AuthorityMeter) -> None:
        super().__init__(shards)
        self._shards = shards
        self._meter = meter

    def connect(self, number: int) -> SimulatedShardClient:
        return MeteredShardClient(self, self._shards, number, self._meter)


class MeteredShardClient(SimulatedShardClient):
    def __init__(
        self,
        client: SimulatedLimiterClient,
        network: SimulatedShards,
        number: int,
        meter: AuthorityMeter,
    ) -> None:
        super().__init__(client, network, number)
        self._meter = meter

    async def process(self, shard: AuthorityShard, sent: ShardExchange) -> ShardAnswer:
        """Behind pickling, and with its CPU time counted."""
        pickled = pickle.dumps(sent)
        began = time.process_time()
        answer = pickle.dumps(await shard.exchange(pickle.loads(pickled)))
        self._meter.cpu_s += time.process_time() - began
        self._meter.exchanges += 1
        self._meter.requests += len(sent.requests)
        result: ShardAnswer = pickle.loads(answer)
        return result


class ScaleRun:
    """Replicas, shards, and when each tenant's requests were admitted."""

    def __init__(self, tenants: int, replicas: int, shards: int, rate: int, burst: int) -> None:
        self.loop = asyncio.get_running_loop()
        clock = LoopClock(self.loop)
        self.meter = AuthorityMeter()
        network = SimulatedShards(clock, seed=1)
        network.deploy(shards)
        self.tenants = [f"tenant-{number}" for number in range(tenants)]
        limits = {"requests": {"limit": rate, "per": "second", "burst": burst}}
        fields = {"id": "p", "rates": {"generate": limits}, "concurrency": {"limit": burst}}
        self.plan = Plan.model_validate(fields)
        self.limiters = [
            TenantLimiter(
                MeteredClient(network, self.meter),
                f"r{number}",
                clock,
                nothing_spent,
                lambda event: None,
                patience_s=0.8,
            )
            for number in range(replicas)
        ]
        self.random = random.Random(1)
        self.admitted: defaultdict[str, list[float]] = defaultdict(list)
        self.requests = self.waited = 0

    async def start(self) -> None:
        for limiter in self.limiters:
            await limiter.start()

    async def request(self, tenant: str, replica: int) -> None:
        began = self.loop.time()
        self.requests += 1
        try:
            permit = await self.limiters[replica].admit(tenant, self.plan, GENERATE)
            self.admitted[tenant].append(self.loop.time())
            permit.close()
        except RateLimited:
            pass
        self.waited += self.loop.time() > began

    async def play(self, arrivals: Sequence[tuple[float, str, int]]) -> None:
        """Requests at their seconds from now on."""
        began, tasks = self.loop.time(), []
        for at, tenant, replica in sorted(arrivals):
            if began + at > self.loop.time():
                await asyncio.sleep(began + at - self.loop.time())
            tasks.append(asyncio.create_task(self.request(tenant, replica)))
            if len(tasks) > 10_000:
                await asyncio.gather(*tasks)
                tasks.clear()
        await asyncio.gather(*tasks)

    async def close(self) -> None:
        for limiter in self.limiters:
            await limiter.close()


async def _measure(run: ScaleRun, seconds: float, arrivals: list[tuple[float, str, int]],
                   rate: int, burst: int) -> ScaleRow:  # fmt: skip
    before, began = AuthorityMeter(**asdict(run.meter)), run.loop.time()
    run.requests = run.waited = 0
    gc.disable()  # the objects of all replicas are in this process, and not the authority's
    try:
        await run.play(arrivals)
        await asyncio.sleep(max(0.0, began + seconds - run.loop.time()))
    finally:
        gc.enable()
    meter, elapsed = run.meter, run.loop.time() - began
    worst = max(compute_overshoot(times, rate, burst) for times in run.admitted.values())
    return ScaleRow(
        len(run.tenants),
        run.requests / elapsed,
        run.waited / max(1, run.requests),
        (meter.exchanges - before.exchanges) / elapsed,
        (meter.requests - before.requests) / elapsed,
        1e3 * (meter.cpu_s - before.cpu_s) / elapsed,
        worst,
    )


async def measure_inside_leases(
    tenants: int, replicas: int, shards: int, seconds: float
) -> ScaleRow:
    """Every tenant holds a lease at every replica, and uses it without exhausting it."""
    run = ScaleRun(tenants, replicas, shards, WIDE_RATE, WIDE_BURST)
    await run.start()
    for number in range(2):  # the first request opens the lease, the second finds it
        await run.play(
            [(run.random.uniform(0, 4), t, r) for t in run.tenants for r in range(replicas)]
        )
        await asyncio.sleep(1.0 - number)
    uses = [
        (run.random.uniform(0, seconds), tenant, replica)
        for tenant in run.tenants
        for replica in range(replicas)
        for _ in range(USES)
    ]
    row = await _measure(run, seconds, uses, WIDE_RATE, WIDE_BURST)
    await run.close()
    return row


async def measure_load(tenants: int, replicas: int, shards: int, seconds: float) -> ScaleRow:
    """Some tenants ask for more than their limit, the others for little."""
    run = ScaleRun(tenants, replicas, shards, RATE, BURST)
    await run.start()
    hot = max(1, int(tenants * HOT_SHARE))
    arrivals = []
    for number, tenant in enumerate(run.tenants):
        rate = HOT_LOAD * RATE if number < hot else COOL_RATE
        at = run.random.expovariate(rate)
        while at < seconds:
            arrivals.append((at, tenant, run.random.randrange(replicas)))
            at += run.random.expovariate(rate)
    row = await _measure(run, seconds, arrivals, RATE, BURST)
    await run.close()
    return row


def main(argv: Sequence[str] | None = None) -> int:
    options = _options(argv)
    console, rows = Console(), []
    for tenants in options.tenants:
        console.print(f"{tenants:,} tenants inside their leases ...")
        rows.append(
            run_in_virtual_time(
                measure_inside_leases(tenants, options.replicas, options.shards, options.seconds)
            )
        )
    most = max(options.tenants)
    console.print(f"{most:,} tenants under load ...")
    load = run_in_virtual_time(
        measure_load(most, options.replicas, options.shards, options.seconds)
    )
    console.print(
        _table(f"{options.replicas} ingress replicas, {options.shards} shards", [*rows, load])
    )
    is_exact = all(row.overshoot <= EXACT for row in [*rows, load])
    is_free = all(row.lease_requests_s == 0 for row in rows)
    console.print("no interval admitted more than its limit" if is_exact else "OVER-ADMISSION")
    console.print("leases in hand cost no request" if is_free else "LEASES IN HAND ARE NOT FREE")
    report = {
        "benchmark": "limit scale",
        "machine": describe_machine(),
        "conditions": {"seconds": options.seconds, "shards": options.shards},
        "rows": [
            *({"key": figure_key("inside", str(row.tenants)), **asdict(row)} for row in rows),
            {"key": figure_key("load", str(load.tenants)), **asdict(load)},
        ],
    }
    return finish_benchmark(report, passed=is_exact and is_free, options=options)


def _table(title: str, rows: Sequence[ScaleRow]) -> Table:
    table = Table(
        "tenants", "requests/s", "waited", "exchanges/s", "lease requests/s",
        "authority, ms of CPU a second", "overshoot", title=title,
    )  # fmt: skip
    for row in rows:
        table.add_row(
            f"{row.tenants:,}", f"{row.requests_s:,.0f}", f"{row.waited:.1%}",
            f"{row.exchanges_s:,.1f}", f"{row.lease_requests_s:,.0f}",
            f"{row.authority_cpu_ms_s:.1f}", f"{row.overshoot:.1f}",
        )  # fmt: skip
    return table


def _options(argv: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="mobula bench limit-scale", description=__doc__)
    add = parser.add_argument
    add("--tenants", type=int, nargs="+", default=[100, 1_000, 10_000], help="active tenants")
    add("--replicas", type=int, default=8, help="ingress replicas")
    add("--shards", type=int, default=1, help="authority shards")
    add("--seconds", type=float, default=10.0, help="simulated seconds of each measurement")
    add("--json", type=Path, help="also write the report here")
    add("--check", action="store_true", help="fail where a limit or a lease does not hold")
    return parser.parse_args(argv)


if __name__ == "__main__":
    sys.exit(main())
