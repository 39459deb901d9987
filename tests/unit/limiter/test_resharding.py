"""Tenants move between authority shards and shards die, in simulated time: no burst is given twice.

The orders are arbitrary: layouts follow each other before the last has settled, shards learn them
late and from callers only, messages are lost, several shards die at once.
"""

import asyncio
import random
from collections import defaultdict

from hypothesis import given
from hypothesis import strategies as st

from cluster.runtime.problems import Overloaded, RateLimited
from cluster.tenants.plan import RequestClass
from deployments.limiter.tenant_limiter import TenantLimiter
from load_tests.benchmarks.common.virtual_time import LoopClock, run_in_virtual_time
from load_tests.benchmarks.limits.simulated_limiters import compute_overshoot, nothing_spent
from load_tests.benchmarks.limits.simulated_shards import SimulatedLimiterClient, SimulatedShards
from tests.unit.limiter.conftest import per_second, plan
from tests.unit.limiter.subjects import policies, policy

GENERATE = RequestClass.GENERATE
EXACT = 1e-4
TENANTS = [f"tenant-{number}" for number in range(6)]
RATE, CAPACITY = 10, 20
RATES = {"generate": {"requests": per_second(RATE, CAPACITY)}}
LIMITED, UNLIMITED = plan(rates=RATES), plan()
OF_KEY = policies(key=policy(rates=RATES))


class World:
    """Ingress replicas, the shards behind them, and when each tenant's requests were admitted."""

    def __init__(
        self, replicas: int, shards: int, seed: int, lost: float = 0.0, *, of_key: bool = False
    ) -> None:
        """`of_key`: the limit is that of a key of each tenant."""
        self.of_key = of_key
        self.loop = asyncio.get_running_loop()
        self.clock = LoopClock(self.loop)
        self.shards = SimulatedShards(self.clock, seed, lost=lost)
        self.shards.deploy(shards)
        self.random = random.Random(seed)
        self.limiters = [
            TenantLimiter(
                SimulatedLimiterClient(self.shards),
                f"r{number}",
                self.clock,
                nothing_spent,
                lambda event: None,
                patience_s=1.0,
            )
            for number in range(replicas)
        ]
        self.admitted: defaultdict[str, list[float]] = defaultdict(list)
        self.refused = 0

    async def start(self) -> None:
        for limiter in self.limiters:
            await limiter.start()

    async def close(self) -> None:
        for limiter in self.limiters:
            await limiter.close()

    async def drive(self, seconds: float, offered: float = 3.0) -> None:
        """Requests of all tenants, `offered` times what they are allowed."""
        tasks, ends = [], self.loop.time() + seconds
        while self.loop.time() < ends:
            await asyncio.sleep(self.random.expovariate(offered * RATE * len(TENANTS)))
            tasks.append(asyncio.create_task(self._request(self.random.choice(TENANTS))))
        await asyncio.gather(*tasks)

    async def _request(self, tenant: str) -> None:
        limiter = self.random.choice(self.limiters)
        try:
            if self.of_key:
                (await limiter.admit(tenant, UNLIMITED, GENERATE, OF_KEY)).close()
            else:
                (await limiter.admit(tenant, LIMITED, GENERATE)).close()
        except (RateLimited, Overloaded):
            self.refused += 1
        else:
            self.admitted[tenant].append(self.loop.time())

    def overshoot(self) -> float:
        """The worst of any tenant in any interval."""
        return max(compute_overshoot(times, RATE, CAPACITY) for times in self.admitted.values())


def simulate(
    replicas: int, shards: int, script: list[tuple[str, int]], seed: int, *, of_key: bool = False
) -> float:
    async def run() -> float:
        world = World(replicas, shards, seed, of_key=of_key)
        await world.start()
        await world.drive(1.0)
        for event, number in script:
            match event:
                case "deploy":
                    world.shards.deploy(number, told=0.5)
                case "retire" if number < world.shards.shards:
                    world.shards.retire(number)
                case "die":
                    world.shards.restart(number % world.shards.shards)
            await world.drive(world.random.choice([0.0, 0.01, 0.3, 2.0]))
        await world.drive(4.0)
        await world.close()
        return world.overshoot()

    return run_in_virtual_time(run())


EVENTS = st.lists(
    st.tuples(st.sampled_from(["deploy", "retire", "die"]), st.integers(1, 5)), max_size=6
)


@given(
    replicas=st.integers(1, 6),
    shards=st.integers(1, 4),
    script=EVENTS,
    seed=st.integers(0, 2**32),
    of_key=st.booleans(),
)
def test_no_interval_admits_more_than_its_limit_whatever_moves_or_dies(
    replicas: int, shards: int, script: list[tuple[str, int]], seed: int, of_key: bool
) -> None:
    assert simulate(replicas, shards, script, seed, of_key=of_key) <= EXACT


async def _count_refusals(script: list[tuple[str, int]], offered: float) -> tuple[int, int]:
    world = World(3, 2, seed=5)
    await world.start()
    await world.drive(3.0, offered)
    for event, number in script:
        if event == "deploy":
            world.shards.deploy(number)
        else:
            world.shards.restart(number)
        await world.drive(3.0, offered)
    await world.close()
    return world.refused, sum(len(times) for times in world.admitted.values())


def test_a_tenant_below_its_limit_is_not_refused_while_it_moves() -> None:
    grow = [("deploy", 3), ("deploy", 5)]

    refused, admitted = run_in_virtual_time(_count_refusals(grow, offered=0.3))
    assert refused == 0
    assert admitted > 100


def test_the_death_of_a_shard_concerns_its_own_tenants_only() -> None:
    async def run() -> dict[int, set[int]]:
        world = World(3, 2, seed=5)
        await world.start()
        await world.drive(3.0, 0.3)
        exchangers = {
            number: [limiter._leases._locate(tenant) for limiter in world.limiters]
            for number in range(2)
            for tenant in TENANTS
            if world.shards.layout.owner(tenant) == number
        }
        before = {
            number: {hash(each.session.epoch) for each in some}
            for number, some in exchangers.items()
        }
        world.shards.restart(1)
        await world.drive(2.0, 0.3)
        after = {
            number: {hash(each.session.epoch) for each in some}
            for number, some in exchangers.items()
        }
        await world.close()
        return {number: before[number] ^ after[number] for number in exchangers}

    changed = run_in_virtual_time(run())
    assert changed[0] == set()
    assert changed[1]
