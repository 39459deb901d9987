"""Asks a cluster after the load what is left of it: usage, slots, sequences, the audit trail.

In: a ChaosCluster and a tenant. Out: a FinalState. Counts that need a moment (the
ledger's last second, cancelled sequences) are polled until they hold still.
"""

import asyncio
import time
from collections.abc import Callable
from typing import Any

import httpx

from load_tests.benchmarks.common.tenants import usage_query
from load_tests.benchmarks.faults.chaos.chaos_cluster import ChaosCluster
from load_tests.benchmarks.faults.chaos.invariants import FinalState

SETTLED_S = 20.0
RETURNED_S = 90.0  # ingress replicas hold slots ahead of demand for a minute after the last use
MODELS = ("Model:echo", "Model:talk", "Model:nano")
_CHAIN_S = 120.0


async def read_final_state(cluster: ChaosCluster, tenant: str, wrong: str) -> FinalState:
    """`wrong` is what had not recovered when the load ended."""
    headers = {"Authorization": f"Bearer {cluster.local.key}"}
    async with httpx.AsyncClient(
        base_url=cluster.local.url, headers=headers, timeout=_CHAIN_S
    ) as client:
        engines = await _poll_until(lambda: _engines(cluster), _quiet)
        await asyncio.sleep(2.0)  # the ledger writes once a second
        return FinalState(
            charged=await _charged(client, tenant),
            slots=await _slots(client, tenant),
            replicas=2 * cluster.models + cluster.sizes.engines,
            engines=engines,
            chain=await _chain(client),
            wrong=wrong,
        )


async def _poll_until(read: Callable[[], Any], holds: Callable[[Any], bool]) -> Any:
    until = time.monotonic() + SETTLED_S
    while True:
        value = await asyncio.to_thread(read)
        if holds(value) or time.monotonic() > until:
            return value
        await asyncio.sleep(0.5)


def _engines(cluster: ChaosCluster) -> dict[str, list[dict[str, Any]]]:
    looks = {model: cluster.inspect_replicas(model) for model in MODELS}
    return {
        model: [look["engine"] for look in replicas]
        for model, replicas in looks.items()
        if replicas
    }


def _quiet(engines: dict[str, list[dict[str, Any]]]) -> bool:
    return bool(engines) and not any(
        count["handlers"] for counts in engines.values() for count in counts
    )


async def _charged(client: httpx.AsyncClient, tenant: str) -> int:
    answer = await client.get("/api/v1/usage", params=usage_query(tenant))
    answer.raise_for_status()
    amounts = [row["amounts"] for row in answer.json()["data"]]
    return sum(each.get(unit, 0) for each in amounts for unit in ("input_tokens", "output_tokens"))


async def _slots(client: httpx.AsyncClient, tenant: str) -> int | None:
    """In use, once that is none or the time is up; None where nobody can say."""
    until = time.monotonic() + RETURNED_S
    while True:
        answer = await client.get(f"/api/v1/tenants/{tenant}/limits")
        answer.raise_for_status()
        state = next(each for each in answer.json()["state"] if each["kind"] == "slots")
        left = state["remaining"]
        used = None if left is None else int(state["capacity"] - left)
        if used == 0 or time.monotonic() > until:
            return used
        await asyncio.sleep(0.5)


async def _chain(client: httpx.AsyncClient) -> str:
    """Empty when the whole trail verifies."""
    answer = await client.get("/api/v1/audit/verify")
    if answer.status_code != httpx.codes.OK:
        return f"{answer.status_code} {answer.text[:200]}"
    body = answer.json()
    return "" if body["ok"] else str(body)[:300]
