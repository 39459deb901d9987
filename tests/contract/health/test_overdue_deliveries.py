"""Deliveries of webhooks that are due and that nobody attempts."""

import pytest
from sqlalchemy import insert

from cluster.events.outbox import publish
from cluster.health.checks.webhooks import LATE_S, STUCK_S, WebhooksCheck
from cluster.runtime.clock import ManualClock
from cluster.storage.database import Database
from cluster.storage.tables import webhooks


@pytest.fixture
def url(tenants_url: str) -> str:
    return tenants_url


async def add_webhook(database: Database, status: str) -> None:
    row = {
        "id": "hook",
        "tenant": "acme",
        "url": "https://hooks.example.com/",
        "kinds": ["*"],
        "secret": b"sealed",
        "status": status,
        "created": 0.0,
        "updated": 0.0,
    }
    async with database.begin() as connection:
        await connection.execute(insert(webhooks), [row])


async def test_a_backlog_is_degraded_and_then_down(database: Database) -> None:
    clock = ManualClock()
    check = WebhooksCheck(database, clock)
    await add_webhook(database, "active")
    assert (await check()).state == "up"
    async with database.begin() as connection:
        await publish(connection, clock, "acme", "key.revoked", {"id": "key"})

    clock.advance(LATE_S)
    in_time = await check()
    clock.advance(LATE_S)
    late = await check()
    clock.advance(STUCK_S)

    assert in_time.state == "up"
    assert (late.state, late.detail) == (
        "degraded",
        "1 deliveries are due, the oldest for 120 s",
    )
    assert (await check()).state == "down"
