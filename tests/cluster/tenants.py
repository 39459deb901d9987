"""Makes tenants through the admin API, as an operator would."""

import asyncio
import secrets
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import httpx

from tests.cluster.polling import eventually

READS = ("models:read", "usage:read", "audit:read", "webhooks:read", "media:read")
SCOPES = ["generate", "media:write", *READS]


@dataclass(frozen=True)
class Tenant:
    """A tenant, its plan and a key of it."""

    id: str
    plan: str
    key: str
    key_id: str

    @property
    def headers(self) -> dict[str, str]:
        return {"Authorization": f"Bearer {self.key}"}


async def make_tenant(operator: httpx.AsyncClient, **plan: Any) -> Tenant:
    """A tenant alone on a plan with these fields."""
    name = f"t{secrets.token_hex(6)}"
    await put_plan(operator, name, plan)
    tenant = {"id": name, "name": name, "plan": name}
    (await operator.post("/api/v1/tenants", json=tenant)).raise_for_status()
    wanted = {"name": "test", "scopes": SCOPES}
    made = await operator.post(f"/api/v1/tenants/{name}/keys", json=wanted)
    made.raise_for_status()
    body = made.json()
    tenant = Tenant(name, name, body["key"], body["id"])

    async def known_everywhere() -> bool:
        """Every replica polls for changes; each is tried, as far as a balancer lets one choose."""
        requests = [operator.get("/v1/models", headers=tenant.headers) for _ in range(8)]
        return {answer.status_code for answer in await asyncio.gather(*requests)} == {200}

    await eventually(known_everywhere)
    return tenant


async def put_plan(operator: httpx.AsyncClient, name: str, plan: Mapping[str, Any]) -> None:
    (await operator.put(f"/api/v1/plans/{name}", json={"id": name, **plan})).raise_for_status()
