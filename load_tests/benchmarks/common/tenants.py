"""Makes tenants for load tests through the admin API."""

import asyncio
import time
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

import httpx

KNOWN_S = 10.0
_LIMIT = {"limit": 10**9, "per": "second", "burst": 10**9}
_RATES = dict.fromkeys(("requests", "tokens", "cost_units"), _LIMIT)
_BUDGET = {"day": 10**14, "month": 10**15}
# Fields of a plan that checks every kind of limit and is never over one.
EVERY_LIMIT: dict[str, Any] = {
    "rates": {"generate": _RATES},
    "models_rates": {"echo": _RATES},
    "concurrency": {"limit": 100_000},
    "budgets": {"tokens": _BUDGET, "cost_units": _BUDGET},
}


async def create_tenant(
    client: httpx.AsyncClient, admin_key: str, id: str, plan: Mapping[str, Any]
) -> str:
    """A tenant alone on a plan with these fields; returns a key that already works.

    Raises RuntimeError when the key does not work after 10 seconds.
    """
    admin = {"Authorization": f"Bearer {admin_key}"}
    tenant = {"id": id, "name": id, "plan": id}
    key = {"name": "bench", "scopes": ["generate", "models:read"]}
    made = [
        await client.put(f"/api/v1/plans/{id}", json={"id": id, **plan}, headers=admin),
        await client.post("/api/v1/tenants", json=tenant, headers=admin),
        await client.post(f"/api/v1/tenants/{id}/keys", json=key, headers=admin),
    ]
    for answer in made:
        answer.raise_for_status()
    secret = str(made[-1].json()["key"])
    until = time.monotonic() + KNOWN_S
    headers = {"Authorization": f"Bearer {secret}"}
    while (await client.get("/v1/models", headers=headers)).status_code != httpx.codes.OK:
        if time.monotonic() > until:
            raise RuntimeError(f"the key of '{id}' does not work after {KNOWN_S:g} s")
        await asyncio.sleep(0.1)
    return secret


def usage_query(tenant: str) -> dict[str, str]:
    """The query of a usage report since yesterday. The default, since the first of the month, drops
    what a run used before midnight of the month's last day."""
    yesterday = datetime.now(UTC).date() - timedelta(days=1)
    return {"tenant": tenant, "from": yesterday.isoformat()}
