"""How sending a tenant's events stands, webhook by webhook."""

from typing import Any

import pytest
from sqlalchemy import update

from cluster.storage.tables import deliveries
from tests.api.administration.world import World


def path_of(world: World, tenant: str = "acme") -> str:
    return f"/api/v1/tenants/{tenant}/webhooks/{world.ids['webhook']}"


async def listed(world: World, **query: str) -> Any:
    answer = await world.ask("owner", "GET", f"{path_of(world)}/deliveries", params=query)
    assert answer.status_code == 200
    return answer.json()


async def sent(world: World, times: int) -> list[str]:
    answers = [
        await world.ask("owner", "POST", f"{path_of(world)}/test", json={}) for _ in range(times)
    ]
    return [answer.json()["event"] for answer in answers]


async def test_a_delivery_says_how_it_stands(world: World) -> None:
    [event] = await sent(world, 1)
    async with world.database.begin() as connection:
        failed = {"status": "failed", "attempts": 8, "last_error": "answered 500"}
        await connection.execute(
            update(deliveries).where(deliveries.c.event == event).values(**failed)
        )
    newest = (await listed(world))["data"][0]

    assert newest.keys() == {"id", "event", "kind", "status", "attempts", "next", "last_error"}
    assert (newest["event"], newest["kind"]) == (event, "webhook.test")
    assert (newest["status"], newest["attempts"]) == ("failed", 8)
    assert newest["last_error"] == "answered 500"


async def test_an_unsent_one_is_pending_and_says_when_it_is_due(world: World) -> None:
    await sent(world, 1)
    newest = (await listed(world))["data"][0]

    assert (newest["status"], newest["attempts"], newest["last_error"]) == ("pending", 0, None)
    assert newest["next"] > 1.7e9


async def test_deliveries_come_in_pages_newest_first(world: World) -> None:
    events = await sent(world, 5)
    async with world.database.begin() as connection:
        await connection.exec_driver_sql("UPDATE events SET at = 1.5 WHERE kind = 'webhook.test'")
    whole = [row["id"] for row in (await listed(world))["data"]]
    pages: list[str] = []
    query = {"limit": "2"}
    while True:
        page = await listed(world, **query)
        pages += [row["id"] for row in page["data"]]
        if page["next_cursor"] is None:
            break
        query["cursor"] = page["next_cursor"]

    assert pages == whole
    assert len(set(whole)) == len(whole) >= len(events)


@pytest.mark.parametrize("cursor", ["abc", "W10", "WzEsMl0", "bnVsbA", "e30", "WzFlOTk5LCJhIl0"])
async def test_a_forged_cursor_is_harmless(world: World, cursor: str) -> None:
    path = f"{path_of(world)}/deliveries"
    answer = await world.ask("owner", "GET", path, params={"cursor": cursor})

    assert answer.status_code in (200, 400)


async def test_another_tenant_s_webhook_is_not_found(world: World) -> None:
    path = f"{path_of(world, 'other')}/deliveries"

    assert (await world.ask("stranger", "GET", path)).status_code == 404
