"""Limits while what keeps them is frozen, killed, flushed, slow, or while replicas are killed.

The tier's cluster has two ingress replicas; limits stand on a Redis first and on the Limiter
replica then. The bounds are those that deployments/limiter/degraded_mode.py states. Figures are
printed, and only bounds that hold on a busy machine are asserted; what a request costs is measured
by benchmarks.
"""

import asyncio
import statistics
import subprocess
import sys
import time
from collections import Counter
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager

import httpx
import pytest
from redis.asyncio import Redis

from cluster.runtime.settings import ROOT, process_environment
from load_tests.benchmarks.common.tenants import usage_query
from load_tests.benchmarks.limits.bench_limits import count_leaked_slots
from tests.chaos.cluster_process import ClusterProcess
from tests.cluster.polling import eventually
from tests.cluster.shots import CHAT, Shot, fire, is_decided, shoot, worst_excess
from tests.cluster.tenants import Tenant, make_tenant
from tests.servers.redis_server import RedisServer

REPLICAS = 2
RATE, BURST = 20, 20
LOAD = 3 * RATE
# Other clusters start on this machine meanwhile, so the slowest requests and full rates prove
# nothing: a fault that is felt delays most requests, and a limit that sticks admits almost none.
FELT_S = 0.5  # what a fault may add to half of the requests
LEAST_SHARE = 0.1  # of the rate, at least admitted after a fault

SLOTS, STREAMS = 16, 500
LIMIT = {"generate": {"requests": {"limit": RATE, "per": "second", "burst": BURST}}}


@pytest.fixture
async def operator(cluster: ClusterProcess) -> AsyncIterator[httpx.AsyncClient]:
    headers = {"Authorization": f"Bearer {cluster.key}"}
    async with httpx.AsyncClient(base_url=cluster.url, headers=headers, timeout=30) as client:
        yield client


@pytest.fixture
async def tenant(operator: httpx.AsyncClient) -> Tenant:
    """Lets RATE requests a second pass, BURST at once."""
    return await make_tenant(operator, rates=LIMIT)


def admitted(shots: Sequence[Shot]) -> int:
    return sum(shot.status == 200 for shot in shots)


def median(shots: Sequence[Shot]) -> float:
    return statistics.median(shot.took for shot in shots)


def p99(shots: Sequence[Shot]) -> float:
    return statistics.quantiles((shot.took for shot in shots), n=100)[-1]


def report(fault: str, *phases: Sequence[Shot]) -> None:
    """The figures of a fault, phase by phase."""
    for number, shots in enumerate(phases):
        took = [shot.took for shot in shots]
        excess = worst_excess(shots, RATE, BURST)
        print(  # noqa: T201
            f"{fault} {number}: {len(shots)} sent, {admitted(shots)} in, excess {excess:+.1f}, "
            f"median {1e3 * statistics.median(took):.1f} ms, p99 {1e3 * p99(shots):.1f} ms"
        )
    whole = [shot for shots in phases for shot in shots]
    print(f"{fault}: excess over all {worst_excess(whole, RATE, BURST):+.1f}")  # noqa: T201


@pytest.mark.exhaustive
async def test_a_frozen_redis_is_not_felt_and_costs_no_more_than_is_stated(
    cluster: ClusterProcess, tenant: Tenant, redis_server: RedisServer
) -> None:
    frozen_s = 4.0
    before = await fire(cluster.url, tenant, 3.0, LOAD)
    redis_server.freeze()
    during = await fire(cluster.url, tenant, frozen_s, LOAD)
    redis_server.thaw()
    back = await fire(cluster.url, tenant, 1.5, LOAD)
    after = await fire(cluster.url, tenant, 3.0, LOAD)

    report("frozen", before, during, back, after)
    assert all(map(is_decided, [*before, *during, *back, *after]))
    assert median(during) - median(before) <= FELT_S
    assert admitted(during) > 0
    assert worst_excess([*before, *during], RATE, BURST) <= REPLICAS
    debt = min(BURST, RATE * frozen_s)
    assert worst_excess([*during, *back, *after], RATE, BURST) <= REPLICAS + debt
    assert worst_excess(after, RATE, BURST) <= 0


@pytest.mark.exhaustive
async def test_hard_budgets_refuse_while_redis_is_frozen(
    cluster: ClusterProcess, operator: httpx.AsyncClient, redis_server: RedisServer
) -> None:
    tenant = await make_tenant(operator, budgets={"requests": {"day": 100_000}})
    await eventually(lambda: answers(operator, tenant, 200))
    redis_server.freeze()
    try:
        await eventually(lambda: answers(operator, tenant, 503))
        refused = await operator.post("/v1/chat/completions", json=CHAT, headers=tenant.headers)
    finally:
        redis_server.thaw()

    assert refused.status_code == 503
    assert int(refused.headers["Retry-After"]) >= 1
    assert "requests-day" in refused.json()["error"]["message"]
    await eventually(lambda: answers(operator, tenant, 200))


async def answers(client: httpx.AsyncClient, tenant: Tenant, status: int) -> bool:
    """Whether every replica answers so now, as far as a balancer lets one choose."""
    shots = await asyncio.gather(*(shoot(client, tenant) for _ in range(8)))
    return {shot.status for shot in shots} == {status}


@pytest.mark.exhaustive
async def test_a_redis_that_comes_back_empty_gives_no_second_burst(
    cluster: ClusterProcess, tenant: Tenant, redis_server: RedisServer
) -> None:
    before = await fire(cluster.url, tenant, 2.5, LOAD)
    redis_server.kill()
    during = await fire(cluster.url, tenant, 2.0, LOAD)
    redis_server.restart()
    after = await fire(cluster.url, tenant, 4.0, LOAD)

    report("killed", before, during, after)
    assert all(map(is_decided, [*before, *during, *after]))
    assert worst_excess([*before, *during, *after], RATE, BURST) <= REPLICAS
    # Credits that the outage saved may come at once, as from an authority that forgot nothing.
    assert worst_excess(after, RATE, BURST) <= 0
    assert admitted(after) >= LEAST_SHARE * RATE * 4.0


@pytest.mark.exhaustive
async def test_a_flushed_redis_gives_no_second_burst(
    cluster: ClusterProcess, tenant: Tenant, redis_server: RedisServer
) -> None:
    before = await fire(cluster.url, tenant, 2.0, LOAD)
    redis_server.flush()
    after = await fire(cluster.url, tenant, 3.0, LOAD)

    report("flushed", before, after)
    assert all(map(is_decided, [*before, *after]))
    assert worst_excess([*before, *after], RATE, BURST) <= REPLICAS
    assert admitted(after) >= LEAST_SHARE * RATE * 3.0


@pytest.mark.exhaustive
async def test_a_slow_redis_is_not_felt(
    cluster: ClusterProcess, tenant: Tenant, redis_server: RedisServer
) -> None:
    slow_s = 3.0
    before = await fire(cluster.url, tenant, 2.0, LOAD)
    async with slowed(redis_server, pause_ms=180):
        during = await fire(cluster.url, tenant, slow_s, LOAD)
    back = await fire(cluster.url, tenant, 1.5, LOAD)
    after = await fire(cluster.url, tenant, 2.0, LOAD)

    report("slow", before, during, back, after)
    assert all(map(is_decided, [*before, *during, *back, *after]))
    assert median(during) - median(before) <= FELT_S
    debt = min(BURST, RATE * slow_s)
    assert worst_excess([*before, *during, *back], RATE, BURST) <= REPLICAS + debt
    assert worst_excess(after, RATE, BURST) <= 0


@asynccontextmanager
async def slowed(redis_server: RedisServer, pause_ms: int) -> AsyncIterator[None]:
    """Every command waits up to `pause_ms`: one pause follows the other."""

    async def pause() -> None:
        async with Redis.from_url(redis_server.url) as client:
            while True:
                await client.client_pause(pause_ms)
                await client.ping()  # answered after it; others have had their turn then

    pausing = asyncio.create_task(pause())
    try:
        yield
    finally:
        pausing.cancel()
        await asyncio.wait([pausing])


async def until_calm(cluster: ClusterProcess, operator: httpx.AsyncClient) -> None:
    """What was deployed or killed before is up, and the limits' authority answers in time."""
    await asyncio.to_thread(cluster.wait_until_whole)
    tenant = await make_tenant(operator, budgets={"requests": {"day": 100_000}})
    await eventually(lambda: answers(operator, tenant, 200), timeout_s=30)

    async def calm() -> bool:
        shots = await fire(cluster.url, tenant, 0.5, RATE)
        return statistics.median(shot.took for shot in shots) < FELT_S / 10

    await eventually(calm, timeout_s=30)


async def test_a_killed_limiter_is_replaced_and_gives_no_second_burst(
    embedded: ClusterProcess, operator: httpx.AsyncClient, tenant: Tenant
) -> None:
    await until_calm(embedded, operator)
    before = await fire(embedded.url, tenant, 2.5, LOAD)
    embedded.kill_one("Limiter")
    during = await fire(embedded.url, tenant, 4.0, LOAD)
    after = await fire(embedded.url, tenant, 4.0, LOAD)

    report("limiter killed", before, during, after)
    assert all(map(is_decided, [*before, *during, *after]))
    assert admitted(during) > 0
    assert worst_excess([*before, *during, *after], RATE, BURST) <= REPLICAS
    # Credits that the outage saved may come at once, as from an authority that forgot nothing.
    assert worst_excess(after, RATE, BURST) <= 0
    assert admitted(after) >= LEAST_SHARE * RATE * 4.0


async def test_a_killed_ingress_replica_overspends_no_budget(
    embedded: ClusterProcess, operator: httpx.AsyncClient
) -> None:
    await until_calm(embedded, operator)
    budget, clients = 1500, 32
    tenant = await make_tenant(operator, budgets={"requests": {"day": budget}})
    shots: list[Shot] = []
    limits = httpx.Limits(max_connections=clients)
    async with httpx.AsyncClient(base_url=embedded.url, limits=limits, timeout=30) as racing:

        async def race() -> None:
            refused = 0
            while refused < 3:
                shots.append(await shoot(racing, tenant))
                refused += shots[-1].status == 429

        async def kill() -> float:
            await eventually(lambda: admitted(shots) > budget // 4)
            await asyncio.to_thread(embedded.kill_one, "Ingress")
            return time.monotonic()

        killed, *_ = await asyncio.gather(kill(), *(race() for _ in range(clients)))

    statuses = Counter(shot.status for shot in shots)
    broken_s = max((s.done - killed for s in shots if s.status not in (200, 429)), default=0.0)
    print(f"budget {budget}: {dict(statuses)}, the last broke {broken_s:.2f} s after the kill")  # noqa: T201
    assert statuses[200] <= budget
    assert sum(shot.status == 200 and shot.sent > killed for shot in shots) > 0
    usage = await operator.get("/api/v1/usage", params=usage_query(tenant.id))
    assert sum(row["amounts"]["requests"] for row in usage.json()["data"]) <= budget


@pytest.mark.exhaustive
async def test_streams_given_up_and_a_killed_replica_leave_no_slot_behind(
    embedded: ClusterProcess, operator: httpx.AsyncClient
) -> None:
    await until_calm(embedded, operator)

    async def kill() -> None:
        await asyncio.to_thread(embedded.kill_one, "Ingress")

    row = await count_leaked_slots(embedded.url, embedded.key, STREAMS, SLOTS, kill)

    print(row)  # noqa: T201
    assert row["held"] == SLOTS
    assert row["passed"]


def test_the_audit_trail_verifies_after_replicas_were_killed(embedded: ClusterProcess) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "cluster.cli", "audit", "verify"],
        env=process_environment({"MOBULA_HOME": embedded.home}), cwd=ROOT,
        capture_output=True, text=True, check=False,
    )  # fmt: skip

    assert done.returncode == 0, done.stdout + done.stderr
    assert "verified" in done.stdout
    assert "was killed" in done.stdout
