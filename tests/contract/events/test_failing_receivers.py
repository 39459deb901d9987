"""Receivers that refuse what they are sent, in the health of webhooks."""

import httpx
import pytest

from cluster.health.checks.webhooks import WebhooksCheck
from tests.contract.events.receiver import Bench

HOST = "a.example.com"


@pytest.fixture
def check(bench: Bench) -> WebhooksCheck:
    return WebhooksCheck(bench.database, bench.clock)


async def refuse_twice(bench: Bench, host: str = HOST) -> None:
    bench.receiver.answers[host] = httpx.ConnectError("refused")
    await bench.publish()
    await bench.deliverer.run_once()
    bench.clock.advance(12.1)
    await bench.deliverer.run_once()


async def test_a_receiver_that_refuses_is_degraded_until_it_accepts(
    bench: Bench, check: WebhooksCheck
) -> None:
    await bench.add(HOST)
    await refuse_twice(bench)

    refused = await check()
    del bench.receiver.answers[HOST]
    await bench.publish()
    await bench.deliverer.run_once()

    assert (refused.state, refused.detail) == ("degraded", "1 of 1 active webhooks accept nothing")
    assert (await check()).state == "up"


async def test_an_attempt_that_fails_once_is_no_fault(bench: Bench, check: WebhooksCheck) -> None:
    await bench.add(HOST)
    bench.receiver.answers[HOST] = 503
    await bench.publish()

    await bench.deliverer.run_once()

    assert (await check()).state == "up"


async def test_one_of_many_that_refuses_is_reported_and_is_no_fault(
    bench: Bench, check: WebhooksCheck
) -> None:
    for host in (HOST, "b.example.com", "c.example.com"):
        await bench.add(host)
    await refuse_twice(bench)

    found = await check()

    assert (found.state, found.detail) == ("up", "1 of 3 active webhooks accept nothing")


async def test_one_that_accepts_what_is_newer_does_not_fail(
    bench: Bench, check: WebhooksCheck
) -> None:
    """An event that it refuses for its content stays in the queue meanwhile."""
    await bench.add(HOST)
    await refuse_twice(bench)
    del bench.receiver.answers[HOST]
    await bench.publish()
    await bench.deliverer.run_once()
    bench.receiver.answers[HOST] = 500
    bench.clock.advance(80.0)
    await bench.deliverer.run_once()

    assert (await check()).state == "up"


async def test_a_webhook_that_was_disabled_counts_no_more(
    bench: Bench, check: WebhooksCheck
) -> None:
    webhook, _ = await bench.add(HOST)
    await refuse_twice(bench)

    async with bench.database.begin() as connection:
        await bench.webhooks.update(connection, "acme", webhook.id, status="disabled")

    assert (await check()).state == "up"
