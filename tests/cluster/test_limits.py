"""Limits over real HTTP with several ingress replicas: exact together, not each for itself."""

import asyncio
from collections.abc import AsyncIterator
from dataclasses import replace
from typing import Any

import httpx
import pytest

from load_tests.benchmarks.common.local_serve import LocalServe
from load_tests.benchmarks.limits.simulated_limiters import count_ideal_admissions
from tests.cluster.polling import eventually
from tests.cluster.shots import CHAT, CLIENTS, fire, is_decided, shoot, worst_excess
from tests.cluster.tenants import Tenant, make_tenant, put_plan


@pytest.fixture
async def anonymous(cluster: LocalServe) -> AsyncIterator[httpx.AsyncClient]:
    async with httpx.AsyncClient(base_url=cluster.url, timeout=30) as client:
        yield client


async def test_three_times_the_limit_never_gets_more_than_the_limit_in_any_window(
    client: httpx.AsyncClient, cluster: LocalServe
) -> None:
    rate, burst, seconds = 20, 20, 6.0
    limit = {"limit": rate, "per": "second", "burst": burst}
    tenant = await make_tenant(client, rates={"generate": {"requests": limit}})

    shots = await fire(cluster.url, tenant, seconds, 3 * rate)

    assert [shot for shot in shots if not is_decided(shot)] == []
    assert worst_excess(shots, rate, burst) <= 0
    admitted = sum(shot.status == 200 for shot in shots)
    assert admitted >= 0.5 * count_ideal_admissions([shot.sent for shot in shots], rate, burst)


async def test_a_refusal_says_which_limit_bound_and_when_to_come_back(
    client: httpx.AsyncClient, anonymous: httpx.AsyncClient
) -> None:
    limit = {"limit": 2, "per": "minute", "burst": 1}
    tenant = await make_tenant(client, rates={"generate": {"requests": limit}})

    async def decided() -> httpx.Response:
        """The answer of a limiter that has met its authority in time."""
        while True:
            send = anonymous.post("/v1/chat/completions", json=CHAT, headers=tenant.headers)
            if (answer := await send).status_code != 503:
                return answer

    first, second = await decided(), await decided()

    assert first.status_code == 200
    assert first.headers["RateLimit-Policy"].startswith('"generate-requests";q=2;w=60')
    assert first.headers["x-ratelimit-limit-requests"] == "2"
    assert second.status_code == 429
    assert 1 <= int(second.headers["Retry-After"]) <= 30
    assert "generate-requests" in second.json()["error"]["message"]


async def test_a_budget_is_spent_to_the_unit_by_racing_clients(
    client: httpx.AsyncClient, cluster: LocalServe
) -> None:
    budget, clients = 150, 64
    tenant = await make_tenant(client, budgets={"requests": {"day": budget}})
    limits = httpx.Limits(max_connections=clients)
    async with httpx.AsyncClient(base_url=cluster.url, limits=limits, timeout=30) as racing:

        async def race() -> int:
            won = refused = 0
            while refused < 3:
                shot = await shoot(racing, tenant)
                won += shot.status == 200
                refused += shot.status != 200
            return won

        won = sum(await asyncio.gather(*(race() for _ in range(clients))))

        async def last_units() -> bool:
            """What one replica still held goes back and can be spent by the other."""
            nonlocal won
            won += (await shoot(racing, tenant)).status == 200
            return won >= budget

        await eventually(last_units)
    assert won == budget


def models_of(listed: dict[str, Any]) -> set[str]:
    """The ids of the models that a list of names stands for."""
    return {
        id for each in listed["data"] for id in each.get("targets", [each.get("root", each["id"])])
    }


async def test_a_keys_budget_is_spent_to_the_unit_by_racing_clients_of_it_and_its_successor(
    client: httpx.AsyncClient, cluster: LocalServe
) -> None:
    budget, clients = 120, 48
    tenant = await make_tenant(client)
    keys = f"/api/v1/tenants/{tenant.id}/keys"
    team = {"id": "racers", "name": "Racers", "policy": {"budgets": {"requests": {"day": 500}}}}
    made = await client.post("/api/v1/teams", params={"tenant": tenant.id}, json=team)
    made.raise_for_status()
    wanted = {
        "name": "limited",
        "scopes": ["generate", "models:read"],
        "policy": {"budgets": {"requests": {"day": budget}}, "models": ["echo"]},
        "team": "racers",
    }
    first = (await client.post(keys, json=wanted)).raise_for_status().json()
    path = f"{keys}/{first['id']}/rotate"
    second = (await client.post(path, json={"grace_s": 3600})).raise_for_status().json()
    racers = [replace(tenant, key=each["key"], key_id=each["id"]) for each in (first, second)]
    limits = httpx.Limits(max_connections=clients)
    async with httpx.AsyncClient(base_url=cluster.url, limits=limits, timeout=30) as racing:

        async def both_work_everywhere() -> bool:
            asked = [
                racing.get("/v1/models", headers=racer.headers)
                for racer in racers
                for _ in range(8)
            ]
            answers = await asyncio.gather(*asked)
            return all(
                answer.status_code == 200 and models_of(answer.json()) == {"echo"}
                for answer in answers
            )

        await eventually(both_work_everywhere)

        async def race(racer: Tenant) -> int:
            won = refused = 0
            while refused < 3:
                shot = await shoot(racing, racer)
                won += shot.status == 200
                refused += shot.status != 200
            return won

        won = sum(await asyncio.gather(*(race(racers[n % 2]) for n in range(clients))))

        async def last_units() -> bool:
            nonlocal won
            won += (await shoot(racing, racers[1])).status == 200
            return won >= budget

        await eventually(last_units)
        assert (await shoot(racing, tenant)).status == 200  # the tenant's own key has no limit
        assert (await shoot(racing, racers[0])).status == 429
    assert won == budget


async def test_streams_that_are_given_up_leave_no_slot_behind(
    client: httpx.AsyncClient, cluster: LocalServe
) -> None:
    streams, slots = 400, 8
    tenant = await make_tenant(client, concurrency={"limit": slots})
    body = {**CHAT, "model": "slow", "stream": True, "max_tokens": 1_200}
    limits = httpx.Limits(max_connections=CLIENTS)
    async with httpx.AsyncClient(base_url=cluster.url, limits=limits, timeout=30) as leaving:

        async def leave() -> None:
            send = leaving.stream("POST", "/v1/chat/completions", json=body, headers=tenant.headers)
            async with send as answer:
                async for _ in answer.aiter_lines():
                    return

        await asyncio.gather(*(leave() for _ in range(streams)))

        async def the_model_is_free() -> bool:
            load = (await client.get("/health")).json()["models"]["slow"].get("load", {})
            return load.get("running") == load.get("waiting") == load.get("handlers") == 0

        await eventually(the_model_is_free, timeout_s=20)  # a stream would run for a minute

        async def every_slot_is_free() -> bool:
            held = [
                leaving.post(
                    "/v1/chat/completions",
                    json={**body, "stream": False, "max_tokens": 8},
                    headers=tenant.headers,
                )
                for _ in range(slots)
            ]
            answers = await asyncio.gather(*held)
            return all(answer.status_code == 200 for answer in answers)

        # A replica keeps slots that it used a moment ago: asked at once again, none moves.
        await eventually(every_slot_is_free, timeout_s=60, every_s=2)


async def test_a_plan_that_changes_binds_at_once_everywhere(
    client: httpx.AsyncClient, anonymous: httpx.AsyncClient
) -> None:
    tenant = await make_tenant(client)
    assert (await shoot(anonymous, tenant)).status == 200

    await put_plan(client, tenant.plan, {"models": ["nano"]})

    async def refused_everywhere() -> bool:
        shots = await asyncio.gather(*(shoot(anonymous, tenant) for _ in range(8)))
        return all(shot.status == 404 for shot in shots)

    await eventually(refused_everywhere)
