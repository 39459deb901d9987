"""The outbox: events are written with their change, and reach the right webhooks' queues."""

import pytest

from cluster.events.outbox import publish
from cluster.runtime.problems import Conflict
from tests.contract.events.receiver import KEY, Bench


async def test_an_event_waits_for_each_webhook_that_wants_its_kind(bench: Bench) -> None:
    everything, _ = await bench.add("a.example.com", ["*"])
    family, _ = await bench.add("b.example.com", ["key.*"])
    exact, _ = await bench.add("c.example.com", ["user.created", "key.created"])
    others, _ = await bench.add("d.example.com", ["key.revoked", "user.*"])
    foreign, _ = await bench.add("e.example.com", ["*"], tenant="other")

    event = await bench.publish()

    for webhook in (everything, family, exact):
        (delivery,) = await bench.deliveries(webhook)
        assert (delivery.event, delivery.kind) == (event, "key.created")
        assert (delivery.status, delivery.attempts) == ("pending", 0)
    assert await bench.deliveries(others) == await bench.deliveries(foreign) == []


async def test_a_change_that_is_rolled_back_publishes_nothing(bench: Bench) -> None:
    webhook, _ = await bench.add()

    async def change() -> None:
        async with bench.database.begin() as connection:
            await publish(connection, bench.clock, "acme", "key.created", KEY)
            raise Conflict("on second thoughts")

    with pytest.raises(Conflict):
        await change()

    assert await bench.events() == []
    assert await bench.deliveries(webhook) == []
    assert await bench.deliverer.run_once() == 0


async def test_a_disabled_webhook_gets_nothing(bench: Bench) -> None:
    webhook, _ = await bench.add()
    async with bench.database.begin() as connection:
        await bench.webhooks.update(connection, "acme", webhook.id, status="disabled")

    await bench.publish()

    assert await bench.deliveries(webhook) == []


async def test_what_several_replicas_notice_is_told_once(bench: Bench) -> None:
    webhook, _ = await bench.add()
    data = {
        "unit": "tokens",
        "period": "day",
        "window": "2026-11-21",
        "percent": 80,
        "spent": 81,
        "budget": 100,
    }

    ids = {
        await bench.publish("budget.threshold", {**data, "spent": spent}, once="tokens|day|80")
        for spent in (81, 82, 83)
    }
    other = await bench.publish("budget.threshold", data, tenant="other", once="tokens|day|80")

    assert len(ids) == 1
    assert other not in ids
    assert len(await bench.deliveries(webhook)) == 1


@pytest.mark.parametrize(
    ("kind", "data"),
    [
        ("key.stolen", KEY),
        ("key.created", {**KEY, "secret": "mob_x_y"}),
        ("key.revoked", {}),
        ("key.revoked", {"id": "x" * 301}),
        ("key.revoked", {"id": "nul\x00"}),
        ("limit.hit", {"limit": "requests", "count": 0}),
    ],
)
async def test_an_event_of_another_shape_is_refused(
    bench: Bench, kind: str, data: dict[str, object]
) -> None:
    with pytest.raises(ValueError, match="validation error|not a valid"):
        await bench.publish(kind, data)
    assert await bench.events() == []


async def test_a_test_event_is_for_the_webhook_that_is_tested(bench: Bench) -> None:
    tested, _ = await bench.add("a.example.com", ["key.*"])
    beside, _ = await bench.add("b.example.com", ["*"])

    await bench.publish("webhook.test", {"id": tested.id})

    assert len(await bench.deliveries(tested)) == 1
    assert await bench.deliveries(beside) == []
