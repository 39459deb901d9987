"""One chaos run: load that does not stop, and faults at their moments.

In: a deployed Stage, a plan of load, faults. Out: endings, hits and vitals. Nothing here judges.
"""

import asyncio
import secrets
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

import httpx

from load_tests.benchmarks.common.http_client import NoRetryClient
from load_tests.benchmarks.common.tenants import create_tenant
from load_tests.benchmarks.faults.chaos.chaos_cluster import ChaosCluster
from load_tests.benchmarks.faults.chaos.faults import (
    Fault,
    FaultAction,
    InjectedFault,
    schedule_faults,
)
from load_tests.benchmarks.faults.chaos.outcomes import RequestResult
from load_tests.benchmarks.faults.chaos.resource_samples import ResourceSample, ResourceSampler
from load_tests.benchmarks.faults.chaos.traffic import ConstantTraffic, TrafficPlan
from load_tests.benchmarks.faults.chaos.verified_requests import VerifyingClient

WARM_REQUESTS = 200
ENGINE_WARM_REQUESTS = 2_000  # an engine's cache is touched block by block: until all of it is
ENGINE_AT_ONCE = 16
SLOTS = 100_000
Say = Callable[[str], None]


@dataclass
class ChaosRecord:
    """What happened; `seconds` from the first request to the last ending."""

    tenant: str
    results: list[RequestResult] = field(default_factory=list)
    injected_faults: list[InjectedFault] = field(default_factory=list)
    samples: list[ResourceSample] = field(default_factory=list)
    held_back: int = 0
    seconds: float = 0.0
    warm_tokens: int = 0
    wrong: str = ""


@dataclass(frozen=True)
class ChaosConditions:
    """`recovery_limit_s` is the longest wait for a recovery; `calm_s` the pause after it."""

    patience_s: float = 180.0
    recovery_limit_s: float = 60.0
    calm_s: float = 3.0
    sample_s: float = 10.0


async def run_chaos(
    cluster: ChaosCluster,
    plan: TrafficPlan,
    faults: Sequence[Fault],
    conditions: ChaosConditions,
    say: Say,
) -> ChaosRecord:
    """Warm up, load, do each fault at its share of the requests, wait for every ending."""
    tenant = f"chaos-{secrets.token_hex(4)}"
    async with httpx.AsyncClient(base_url=cluster.local.url, timeout=30) as client:
        limits = {"concurrency": {"limit": SLOTS}}
        key = await create_tenant(client, cluster.local.key, tenant, limits)
    wire, record = NoRetryClient(cluster.local.url), ChaosRecord(tenant)
    origin = time.monotonic()
    asker = VerifyingClient(wire, key, origin, conditions.patience_s)
    record.warm_tokens = await _warm(asker, plan)
    traffic = ConstantTraffic(asker, plan)
    sampler = ResourceSampler(cluster, origin, conditions.sample_s)
    sampler.start()
    try:
        traffic.enough = not faults
        load = asyncio.create_task(traffic.run())
        await _strike(cluster, traffic, faults, conditions, origin, record, say)
        traffic.enough = True
        await load
    finally:
        await asyncio.to_thread(sampler.stop)
        wire.close()
    record.wrong = await asyncio.to_thread(cluster.wait_until_healthy, conditions.recovery_limit_s)
    record.results, record.samples = traffic.results, sampler.samples
    record.held_back = traffic.held_back
    record.seconds = time.monotonic() - origin
    return record


async def _warm(asker: VerifyingClient, plan: TrafficPlan) -> int:
    """Every replica has answered, and engines have filled the memory that they were given, before
    anything counts; returns the tokens that this took."""
    requests = [asker.unary(plan.model, f"warm {number}") for number in range(WARM_REQUESTS)]
    results = await asyncio.gather(*requests)
    if plan.engine_every:
        for _ in range(ENGINE_WARM_REQUESTS // ENGINE_AT_ONCE):
            some = [asker.unary(plan.engine, "", max_tokens=8) for _ in range(ENGINE_AT_ONCE)]
            results += await asyncio.gather(*some)
    return sum(result.tokens for result in results)


async def _strike(
    cluster: ChaosCluster,
    traffic: ConstantTraffic,
    faults: Sequence[Fault],
    conditions: ChaosConditions,
    origin: float,
    record: ChaosRecord,
    say: Say,
) -> None:
    for fault, moment in zip(
        faults, schedule_faults(len(faults), traffic.plan.requests), strict=True
    ):
        await traffic.reached(moment)
        injected = InjectedFault(fault, time.monotonic() - origin, FaultAction(""))
        record.injected_faults.append(injected)
        try:
            injected.action = await asyncio.to_thread(fault.act, cluster)
        except Exception as error:  # noqa: BLE001  # a fault that cannot be done is reported
            injected.action, injected.wrong = (
                FaultAction("not done"),
                f"{type(error).__name__}: {error}"[:200],
            )
        else:
            injected.wrong = await asyncio.to_thread(
                cluster.wait_until_healthy, conditions.recovery_limit_s
            )
        injected.recovery_s = time.monotonic() - origin - injected.at
        state = injected.wrong or f"recovered after {injected.recovery_s:.1f} s"
        say(f"{traffic.done} requests: {fault.name} ({injected.action.target}): {state}")
        await asyncio.sleep(conditions.calm_s)
