"""One chaos run: load that does not stop, and faults at their moments.

In: a deployed Stage, a plan of load, faults. Out: endings, hits and vitals. Nothing here judges.
"""

import asyncio
import secrets
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

import httpx

from load_tests.benchmarks.common.http_client import Wire
from load_tests.benchmarks.common.tenants import make_tenant
from load_tests.benchmarks.faults.chaos.chaos_cluster import Stage
from load_tests.benchmarks.faults.chaos.faults import Blow, Fault, Hit, due
from load_tests.benchmarks.faults.chaos.outcomes import Shot
from load_tests.benchmarks.faults.chaos.resource_samples import Sampler, Vital
from load_tests.benchmarks.faults.chaos.traffic import Plan, Traffic
from load_tests.benchmarks.faults.chaos.verified_requests import Asker

WARM_REQUESTS = 200
ENGINE_WARM_REQUESTS = 2_000  # an engine's cache is touched block by block: until all of it is
ENGINE_AT_ONCE = 16
SLOTS = 100_000
Say = Callable[[str], None]


@dataclass
class Record:
    """What happened; `seconds` from the first request to the last ending."""

    tenant: str
    shots: list[Shot] = field(default_factory=list)
    hits: list[Hit] = field(default_factory=list)
    vitals: list[Vital] = field(default_factory=list)
    held_back: int = 0
    seconds: float = 0.0
    warm_tokens: int = 0
    wrong: str = ""


@dataclass(frozen=True)
class Conditions:
    """`whole_s` is the longest wait for the cluster to be whole again; `calm_s` the pause after."""

    patience_s: float = 180.0
    whole_s: float = 60.0
    calm_s: float = 3.0
    sample_s: float = 10.0


async def perform(
    stage: Stage, plan: Plan, faults: Sequence[Fault], conditions: Conditions, say: Say
) -> Record:
    """Warm up, load, do each fault at its share of the requests, wait for every ending."""
    tenant = f"chaos-{secrets.token_hex(4)}"
    async with httpx.AsyncClient(base_url=stage.local.url, timeout=30) as client:
        limits = {"concurrency": {"limit": SLOTS}}
        key = await make_tenant(client, stage.local.key, tenant, limits)
    wire, record = Wire(stage.local.url), Record(tenant)
    origin = time.monotonic()
    asker = Asker(wire, key, origin, conditions.patience_s)
    record.warm_tokens = await _warm(asker, plan)
    traffic = Traffic(asker, plan)
    sampler = Sampler(stage, origin, conditions.sample_s)
    sampler.start()
    try:
        traffic.enough = not faults
        load = asyncio.create_task(traffic.run())
        await _strike(stage, traffic, faults, conditions, origin, record, say)
        traffic.enough = True
        await load
    finally:
        await asyncio.to_thread(sampler.stop)
        wire.close()
    record.wrong = await asyncio.to_thread(stage.wait_until_whole, conditions.whole_s)
    record.shots, record.vitals = traffic.shots, sampler.vitals
    record.held_back = traffic.held_back
    record.seconds = time.monotonic() - origin
    return record


async def _warm(asker: Asker, plan: Plan) -> int:
    """Every replica has answered, and engines have filled the memory that they were given, before
    anything counts; returns the tokens that this took."""
    asked = [asker.unary(plan.model, f"warm {number}") for number in range(WARM_REQUESTS)]
    shots = await asyncio.gather(*asked)
    if plan.engine_every:
        for _ in range(ENGINE_WARM_REQUESTS // ENGINE_AT_ONCE):
            some = [asker.unary(plan.engine, "", max_tokens=8) for _ in range(ENGINE_AT_ONCE)]
            shots += await asyncio.gather(*some)
    return sum(shot.tokens for shot in shots)


async def _strike(
    stage: Stage,
    traffic: Traffic,
    faults: Sequence[Fault],
    conditions: Conditions,
    origin: float,
    record: Record,
    say: Say,
) -> None:
    for fault, moment in zip(faults, due(len(faults), traffic.plan.requests), strict=True):
        await traffic.reached(moment)
        hit = Hit(fault, time.monotonic() - origin, Blow(""))
        record.hits.append(hit)
        try:
            hit.blow = await asyncio.to_thread(fault.act, stage)
        except Exception as error:  # noqa: BLE001  # a fault that cannot be done is reported
            hit.blow, hit.wrong = Blow("not done"), f"{type(error).__name__}: {error}"[:200]
        else:
            hit.wrong = await asyncio.to_thread(stage.wait_until_whole, conditions.whole_s)
        hit.whole_s = time.monotonic() - origin - hit.at
        state = hit.wrong or f"whole again after {hit.whole_s:.1f} s"
        say(f"{traffic.done} requests: {fault.name} ({hit.blow.target}): {state}")
        await asyncio.sleep(conditions.calm_s)
