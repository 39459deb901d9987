"""Measures what a request costs each process of a private cluster, and what the rest costs idle.

In: a LocalServe. Out: the Costs that the capacity model takes. CPU is the processes' own, so that
neither the load generator nor anything else on the machine is in it; a busy machine makes it larger
(caches, frequency), not smaller.
"""

import asyncio
import json
import statistics
import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import psutil

from cluster.auth.bootstrap import bootstrap
from cluster.runtime.clock import SystemClock
from cluster.runtime.settings import Settings
from cluster.storage.database import Database, default_url
from cluster.tenants.units import UsageAmounts
from cluster.usage.entries import UsageEntry
from cluster.usage.ledger import Ledger
from load_tests.benchmarks.common.http_client import NoRetryClient
from load_tests.benchmarks.common.local_serve import LocalServe
from load_tests.benchmarks.common.process_kinds import group_by_kind
from load_tests.benchmarks.common.redis_process import RedisProcess
from load_tests.benchmarks.common.tenants import create_tenant
from load_tests.benchmarks.common.wrk import run_wrk
from load_tests.benchmarks.faults.chaos.verified_requests import VerifyingClient
from load_tests.benchmarks.speed.bench_path import PROMPT, apply_every_limit
from load_tests.benchmarks.speed.capacity_model import Kind, MeasuredCosts, RequestCost
from load_tests.benchmarks.speed.compare.streams import run_streams
from load_tests.benchmarks.speed.compare.targets import PACE, STREAM, Target

CHAT = "/v1/chat/completions"
MORE = 8  # model replicas, to see what each costs the controller
SETTLE_S = 5.0
_PACE_S = 0.5  # between two requests of a tenant
CELLS, FLUSHES = 200, 20  # rows of one write of the ledger, and writes


@dataclass(frozen=True)
class CpuSample:
    """CPU milliseconds a second, memory and processes by kind, over some seconds."""

    cpu_ms: Mapping[str, float]
    rss_mib: Mapping[str, float]
    processes: Mapping[str, int]


def measure_costs(
    local: LocalServe,
    seconds: float,
    tenants: int,
    say: Callable[[str], None],
    redis: RedisProcess | None = None,
) -> MeasuredCosts:
    """All of it; takes about ten times `seconds` and a minute. `redis` keeps the limits where
    it is given."""
    authority = "embedded" if redis is None else "redis"
    deploy(local, 1, authority)
    apply_every_limit(local.url, local.key)
    with tempfile.TemporaryDirectory() as folder:
        measured = {kind: _request(local, kind, seconds, Path(folder), say) for kind in LOADS}
    idle = _idle(local, seconds)
    requests = {kind: cost for kind, (cost, _) in measured.items()}
    say("many tenants ...")
    limiter_replica_ms, limiter_ms = _limiter(local, tenants, seconds, redis)
    say(f"{MORE} model replicas ...")
    deploy(local, MORE, authority)
    many = _idle(local, seconds)
    controller = [spent.cpu_ms.get("controller", 0.0) for spent in (idle, many)]
    slope = max(0.0, (controller[1] - controller[0]) / (MORE - 1))
    say("the ledger ...")
    return MeasuredCosts(
        requests=requests,
        limiter_replica_ms=limiter_replica_ms,
        limiter_ms=limiter_ms,
        ledger_ms=asyncio.run(measure_ledger_ms(CELLS, FLUSHES)),
        controller_ms=slope,
        controller_idle_ms=max(0.0, controller[0] - 2 * slope),
        node_ms=_node(idle.cpu_ms),
        replica_mib=idle.rss_mib["Ingress"] / idle.processes["Ingress"],
        node_mib=_node(idle.rss_mib),
        stream_above_idle=_above_idle(*measured["stream"], idle.cpu_ms),
    )


def measure_streams(
    local: LocalServe, seconds: float, say: Callable[[str], None]
) -> tuple[RequestCost, RequestCost]:
    """What a stream costs, as it is and less what the processes use without requests."""
    deploy(local, 1, "embedded")
    apply_every_limit(local.url, local.key)
    with tempfile.TemporaryDirectory() as folder:
        cost, streams_s = _request(local, "stream", seconds, Path(folder), say)
    return cost, _above_idle(cost, streams_s, _idle(local, seconds).cpu_ms)


def deploy(local: LocalServe, models: int, authority: str) -> None:
    from graphs.app import build
    from graphs.args import AppArgs

    echo = {"engine": "echo", "num_cpus": 0.1}
    args = {
        "models": [
            {"id": "echo", "replicas": models, **echo},
            {"id": "paced", "tokens_per_second": PACE, "max_running": 256, **echo},
        ],
        "ingress": {"num_cpus": 0.1},
        "limiter": {"authority": authority},
        "cache": {"shared": "off"},
        "video": {"enabled": False},
        "text": {"enabled": False},
    }
    local.run(build(AppArgs.model_validate(args)), "mobula", "/")
    local.wait_until_healthy("Model:echo")


def _unary(target: Target, seconds: float, scratch: Path) -> float:
    headers = {"Content-Type": "application/json", "Authorization": f"Bearer {target.key}"}
    load = run_wrk(
        target.url, target.body, headers, connections=16, seconds=seconds, scratch=scratch
    )
    return load.requests_s * seconds


def _streams(target: Target, seconds: float, scratch: Path) -> float:
    return run_streams(target, connections=16, seconds=seconds).streams_s * seconds


_MESSAGES = [{"role": "user", "content": PROMPT}]
LOADS: dict[Kind, tuple[dict[str, Any], Callable[[Target, float, Path], float]]] = {
    "uncached": ({"model": "echo", "messages": _MESSAGES}, _unary),
    "cached": ({"model": "echo", "messages": _MESSAGES, "temperature": 0}, _unary),
    "stream": ({**STREAM, "ignore_eos": True}, _streams),
}


def _request(
    local: LocalServe, kind: Kind, seconds: float, scratch: Path, say: Callable[[str], None]
) -> tuple[RequestCost, float]:
    """CPU of each process for one request, under load; and requests a second."""
    body, load = LOADS[kind]
    target = Target(local.url + CHAT, local.key, json.dumps(body).encode())
    load(target, 2.0, scratch)  # warm up
    before = _cpu(local)
    requests = load(target, seconds, scratch)
    after = _cpu(local)
    spent = {name: after.get(name, 0.0) - before.get(name, 0.0) for name in after}
    cost = _each(spent, requests)
    say(f"{kind}: {requests / seconds:,.0f}/s, {cost}")
    return cost, requests / seconds


def _each(cpu_ms: Mapping[str, float], requests: float) -> RequestCost:
    """What each of so many requests has of the processes' CPU time."""
    models = sum(ms for name, ms in cpu_ms.items() if name.startswith("Model:"))
    return RequestCost(
        cpu_ms.get("haproxy", 0.0) / requests, cpu_ms["Ingress"] / requests, models / requests
    )


def _above_idle(cost: RequestCost, requests_s: float, idle_ms: Mapping[str, float]) -> RequestCost:
    """`cost` without the CPU that the same processes use with nothing to do, a second."""
    idle = _each(idle_ms, requests_s)
    return RequestCost(
        max(0.0, cost.haproxy_ms - idle.haproxy_ms),
        max(0.0, cost.ingress_ms - idle.ingress_ms),
        max(0.0, cost.model_ms - idle.model_ms),
    )


def _cpu(local: LocalServe) -> dict[str, float]:
    """CPU milliseconds so far, by kind of process."""
    cpu_ms = {}
    for kind, processes in group_by_kind(local.processes()).items():
        cpu_ms[kind] = sum(_cpu_ms(process) for process in processes)
    return cpu_ms


def _cpu_ms(process: psutil.Process) -> float:
    try:
        times = process.cpu_times()
    except psutil.Error:
        return 0.0
    return 1e3 * float(times.user + times.system)


def _idle(local: LocalServe, seconds: float) -> CpuSample:
    """With nothing to do, once what came before has settled."""
    time.sleep(SETTLE_S)
    return _over(local, seconds, lambda: time.sleep(seconds))


def _over(local: LocalServe, seconds: float, act: Callable[[], None]) -> CpuSample:
    before = _cpu(local)
    act()
    after, kinds = _cpu(local), group_by_kind(local.processes())
    return CpuSample(
        {kind: (after[kind] - before.get(kind, 0.0)) / seconds for kind in after},
        {kind: sum(_rss_mib(each) for each in some) for kind, some in kinds.items()},
        {kind: len(some) for kind, some in kinds.items()},
    )


def _rss_mib(process: psutil.Process) -> float:
    try:
        return float(process.memory_info().rss) / 2**20
    except psutil.Error:
        return 0.0


def _node(values: Mapping[str, float]) -> float:
    """Of everything that is no replica and not the controller."""
    return sum(
        value
        for kind, value in values.items()
        if not kind.startswith(("Model:", "Cache-", "Ingress", "Limiter", "controller"))
    )


def _limiter(
    local: LocalServe, tenants: int, seconds: float, redis: RedisProcess | None
) -> tuple[float, float]:
    """CPU a second of the limits' authority beyond what it spends on nobody: for the session of the
    one ingress replica and a few exchanges, and for each tenant that is active at it besides."""

    def so_far() -> float:
        return _cpu(local).get("Limiter", 0.0) if redis is None else redis.cpu_ms

    keys = asyncio.run(_keys(local, tenants))
    time.sleep(SETTLE_S)
    moments = [so_far()]
    time.sleep(seconds)
    moments.append(so_far())
    for some in (keys[:1], keys):
        asyncio.run(_all_active(local, some, SETTLE_S))  # their first leases
        before = so_far()
        asyncio.run(_all_active(local, some, seconds))
        moments.append(so_far() - before)
    idle, one, busy = moments[1] - moments[0], moments[2], moments[3]
    each_ms = max(0.0, busy - one) / seconds / max(1, tenants - 1)
    return max(0.0, (one - idle) / seconds - each_ms), each_ms


async def _keys(local: LocalServe, tenants: int) -> list[str]:
    rates = {"generate": {"requests": {"limit": 10**6}, "tokens": {"limit": 10**9}}}
    plan = {"rates": rates, "concurrency": {"limit": 1000}}
    async with httpx.AsyncClient(base_url=local.url, timeout=30) as client:
        name = f"c{time.monotonic_ns():x}"
        made = [create_tenant(client, local.key, f"{name}-{at}", plan) for at in range(tenants)]
        return [await each for each in made]


async def _all_active(local: LocalServe, keys: Sequence[str], seconds: float) -> None:
    """Two requests a second for each tenant."""
    wire, until = NoRetryClient(local.url), time.monotonic() + seconds

    async def tenant(key: str, number: int) -> None:
        asker = VerifyingClient(wire, key, 0.0, 30.0)
        await asyncio.sleep(_PACE_S * number / len(keys))
        while time.monotonic() < until:
            await asyncio.gather(asker.unary("echo", "hello"), asyncio.sleep(_PACE_S))

    await asyncio.gather(*(tenant(key, number) for number, key in enumerate(keys)))
    wire.close()


async def measure_ledger_ms(cells: int, flushes: int) -> float:
    """The median of writing a second's usage of so many keys into SQLite, in milliseconds."""
    took = []
    with tempfile.TemporaryDirectory() as folder:
        home = Path(folder)
        bootstrap(home, Settings(home=home))
        database = Database(default_url(home))
        ledger = Ledger(database, "bench", SystemClock())
        for _ in range(flushes):
            for cell in range(cells):
                now = SystemClock().wall()
                ledger.add(UsageEntry(now, "t", f"k{cell}", "m", UsageAmounts(5, 5)))
            began = time.perf_counter()
            await ledger.flush()
            took.append(1e3 * (time.perf_counter() - began))
        await ledger.close()
        await database.close()
    return statistics.median(took)
