"""`./mobula bench fairness`: how a saturated model is shared, over real HTTP with several tenants.

One cluster with the echo engine slowed to a pace, so that its capacity is known, and tenants whose
keys and plans are made through the admin API. Arrivals are Poisson and never wait for answers.
"""

import argparse
import asyncio
import random
import sys
import time
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx
from rich.console import Console
from rich.table import Table

from load_tests.benchmarks.common.local_serve import LocalServe
from load_tests.benchmarks.common.measurement import finish_benchmark
from load_tests.machine import describe_machine

SLOTS, TOKENS_PER_S, TOKENS = 8, 50.0, (10, 50)  # 30 tokens on average take 0.6 s
CAPACITY = SLOTS * TOKENS_PER_S / (sum(TOKENS) / 2)  # requests a second
TOLERANCE, GOODPUT = 0.10, 0.95
TIMEOUT_S = 30.0
FILL_S = 5.0  # until the queue is full and slots are no longer free
PROMPT = "word " * 4
SEED = 2024


@dataclass
class FairnessTenant:
    """Offers `load` times the model's capacity; `victim` is the one whose goodput counts."""

    id: str
    load: float
    weight: float = 1.0
    victim: bool = False
    key: str = ""
    offered: int = 0
    cost: int = 0
    statuses: Counter[int] = field(default_factory=Counter)

    @property
    def goodput(self) -> float:
        return self.statuses[200] / max(1, self.offered)


def build_scenarios() -> dict[str, list[FairnessTenant]]:
    return {
        "20:1 offered": [FairnessTenant("greedy", 15.0), FairnessTenant("modest", 0.75)],
        "3:1 weights": [FairnessTenant("gold", 2.5, weight=3.0), FairnessTenant("basic", 2.5)],
        "5x overload": [
            FairnessTenant("flood-a", 2.5),
            FairnessTenant("flood-b", 2.35),
            FairnessTenant("victim", 0.15, victim=True),
        ],
    }


def main(argv: Sequence[str] | None = None) -> int:
    options = _options(argv)
    console = Console()
    with LocalServe() as local:
        console.print("deploying a slow echo model ...")
        local.deploy_mobula(
            max_running=SLOTS, max_waiting=options.waiting, tokens_per_second=TOKENS_PER_S
        )
        rows = asyncio.run(_measure(local.url, local.key, options, console))
    passed = all(row["passed"] for row in rows)
    _show(rows, console)
    report = {
        "benchmark": "fairness",
        "machine": describe_machine(),
        "conditions": {
            "seconds": options.seconds,
            "slots": SLOTS,
            "waiting": options.waiting,
            "capacity_requests_s": round(CAPACITY, 2),
        },
        "targets": {"share": TOLERANCE, "goodput": GOODPUT},
        "rows": rows,
        "passed": passed,
    }
    return finish_benchmark(report, passed, options)


def _options(argv: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="mobula bench fairness", description=__doc__)
    parser.add_argument("--seconds", type=float, default=60.0, help="length of each scenario")
    parser.add_argument("--waiting", type=int, default=64, help="length of the queue")
    parser.add_argument("--scenario", help="only those whose name has this in it")
    parser.add_argument("--json", type=Path, help="also write the report here")
    parser.add_argument("--check", action="store_true", help="exit 1 if a target is missed")
    return parser.parse_args(argv)


async def _measure(
    url: str, admin_key: str, options: argparse.Namespace, console: Console
) -> list[dict[str, Any]]:
    rows = []
    limits = httpx.Limits(max_connections=None, max_keepalive_connections=200)
    async with httpx.AsyncClient(base_url=url, limits=limits, timeout=TIMEOUT_S + 10) as client:
        for name, tenants in build_scenarios().items():
            if options.scenario and options.scenario not in name:
                continue
            for tenant in tenants:
                await _make(client, admin_key, tenant)
            console.print(f"{name} for {options.seconds:.0f} s ...")
            await _run(client, tenants, options.seconds)
            rows.append(_judged(name, tenants))
    return rows


async def _make(client: httpx.AsyncClient, admin_key: str, tenant: FairnessTenant) -> None:
    """A plan with the tenant's weight, the tenant, and a key that already works."""
    admin = {"Authorization": f"Bearer {admin_key}"}
    plan = {"id": tenant.id, "weight": tenant.weight}
    made = [
        await client.put(f"/api/v1/plans/{tenant.id}", json=plan, headers=admin),
        await client.post(
            "/api/v1/tenants",
            json={"id": tenant.id, "name": tenant.id, "plan": tenant.id},
            headers=admin,
        ),
        await client.post(
            f"/api/v1/tenants/{tenant.id}/keys",
            json={"name": "bench", "scopes": ["generate", "models:read"]},
            headers=admin,
        ),
    ]
    for answer in made:
        answer.raise_for_status()
    tenant.key = made[-1].json()["key"]
    until = time.monotonic() + 10
    headers = {"Authorization": f"Bearer {tenant.key}"}
    while (await client.get("/v1/models", headers=headers)).status_code != 200:
        if time.monotonic() > until:
            raise RuntimeError(f"the key of '{tenant.id}' does not work after 10 s")
        await asyncio.sleep(0.1)


async def _run(client: httpx.AsyncClient, tenants: list[FairnessTenant], seconds: float) -> None:
    """All tenants send; cost is what was answered in the last `seconds` of that."""
    begin = time.monotonic() + FILL_S
    window = (begin, begin + seconds)
    await asyncio.gather(*(_send(client, tenant, window) for tenant in tenants))


async def _send(
    client: httpx.AsyncClient, tenant: FairnessTenant, window: tuple[float, float]
) -> None:
    due, rng = time.monotonic(), random.Random(f"{SEED} {tenant.id}")
    async with asyncio.TaskGroup() as open_requests:
        while (due := due + rng.expovariate(tenant.load * CAPACITY)) < window[1]:
            await asyncio.sleep(max(0.0, due - time.monotonic()))
            tenant.offered += 1
            open_requests.create_task(_ask(client, tenant, rng.randint(*TOKENS), window))


async def _ask(
    client: httpx.AsyncClient, tenant: FairnessTenant, tokens: int, window: tuple[float, float]
) -> None:
    body = {
        "model": "echo",
        "messages": [{"role": "user", "content": PROMPT}],
        "max_tokens": tokens,
        "ignore_eos": True,
    }
    headers = {"Authorization": f"Bearer {tenant.key}"}
    try:
        answer = await client.post("/v1/chat/completions", json=body, headers=headers)
    except httpx.TransportError:
        tenant.statuses[0] += 1
        return
    tenant.statuses[answer.status_code] += 1
    if answer.status_code == 200 and window[0] <= time.monotonic() < window[1]:
        usage = answer.json()["usage"]
        tenant.cost += usage["prompt_tokens"] + 4 * usage["completion_tokens"]


def _judged(name: str, tenants: list[FairnessTenant]) -> dict[str, Any]:
    """Shares are judged among tenants that want more than they get, goodput of a victim."""
    total = max(1, sum(tenant.cost for tenant in tenants))
    crowd = [tenant for tenant in tenants if not tenant.victim]
    each = [tenant.cost / tenant.weight for tenant in crowd]
    spread = max(each) / max(1.0, min(each)) - 1
    victims = [tenant.goodput for tenant in tenants if tenant.victim]
    transport_errors = sum(tenant.statuses[0] for tenant in tenants)
    return {
        "scenario": name,
        "spread": spread,
        "passed": spread <= TOLERANCE
        and all(goodput >= GOODPUT for goodput in victims)
        and not transport_errors,
        "tenants": [
            {
                "tenant": tenant.id,
                "weight": tenant.weight,
                "offered": tenant.offered,
                "share": tenant.cost / total,
                "goodput": tenant.goodput,
                "statuses": dict(sorted(tenant.statuses.items())),
            }
            for tenant in tenants
        ],
    }


def _show(rows: list[dict[str, Any]], console: Console) -> None:
    table = Table("scenario", "tenant", "weight", "offered", "share", "goodput", "statuses", "")
    for row in rows:
        verdict = f"{'met' if row['passed'] else 'MISSED'}, spread {row['spread']:.1%}"
        for tenant in row["tenants"]:
            table.add_row(
                row["scenario"],
                tenant["tenant"],
                f"{tenant['weight']:g}",
                str(tenant["offered"]),
                f"{tenant['share']:.1%}",
                f"{tenant['goodput']:.1%}",
                str(tenant["statuses"]),
                verdict,
            )
            verdict = ""
    console.print(table)


if __name__ == "__main__":
    sys.exit(main())
