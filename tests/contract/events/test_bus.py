"""The bus: observers are told at once, the outbox in batches, and nothing grows without bound."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest

from cluster.events import bus as module
from cluster.events.bus import EventBus
from cluster.storage.database import DatabaseUnavailable
from tests.contract.events.receiver import KEY, Bench

HIT = {"limit": "requests", "request_class": "generate", "model": "nano"}


@pytest.fixture
async def bus(bench: Bench) -> AsyncIterator[EventBus]:
    bus = EventBus(bench.database, bench.clock, bench.deliverer.wake)
    yield bus
    await bus.close()


async def test_an_observer_is_told_at_once_of_what_it_asked_for(bus: EventBus) -> None:
    keys = bus.subscribe(["key.*"])
    bus.publish("acme", "limit.hit", HIT)
    bus.publish("acme", "key.created", KEY)
    bus.notify("acme", "key.revoked", {"id": "abc"})

    first, second = await anext(keys), await anext(keys)
    assert (first.tenant, first.kind) == ("acme", "key.created")
    assert second.kind == "key.revoked"

    bus.unsubscribe(keys)
    bus.notify("acme", "key.revoked", {"id": "abc"})
    with pytest.raises(TimeoutError):
        await asyncio.wait_for(anext(keys), 0.01)


async def test_a_slow_observer_loses_and_counts_and_holds_up_nobody(bus: EventBus) -> None:
    slow, quick = bus.subscribe(size=2), bus.subscribe(size=100)
    for _ in range(5):
        bus.notify("acme", "key.revoked", {"id": "abc"})

    assert (slow.lost, quick.lost) == (3, 0)


async def test_what_is_posted_reaches_the_outbox_and_only_what_is_posted(
    bench: Bench, bus: EventBus
) -> None:
    webhook, _ = await bench.add()
    bus.publish("acme", "key.expiring", {"id": "abc", "expires": 1.0})
    bus.notify("acme", "key.created", KEY)
    await bus.flush()
    await bus.flush()

    (delivery,) = await bench.deliveries(webhook)
    assert delivery.kind == "key.expiring"


async def test_generations_are_counted_and_those_that_name_their_request_are_not(
    bench: Bench, bus: EventBus
) -> None:
    ended = {"operation": "chat", "model": "nano", "status": 200}
    for number in range(3):
        bus.publish("acme", "generation.succeeded", ended)
        sample = {**ended, "request_id": f"req_{number}", "ms": 1.5}
        bus.publish("acme", "generation.succeeded", sample)
    await bus.flush()

    rows = [row.data for row in await bench.events()]
    assert sorted((row["request_id"], row["count"]) for row in rows) == [
        ("", 3),
        ("req_0", 1),
        ("req_1", 1),
        ("req_2", 1),
    ]


async def test_a_limit_met_again_and_again_is_one_event_a_minute_with_a_count(
    bench: Bench, bus: EventBus
) -> None:
    async def post_and_flush(times: int) -> list[int]:
        for _ in range(times):
            bus.publish("acme", "limit.hit", HIT)
        await bus.flush()
        return [row.data["count"] for row in await bench.events()]

    assert await post_and_flush(1) == [1]
    assert await post_and_flush(500) == [1]
    bench.clock.advance(60)
    assert await post_and_flush(0) == [1, 500]
    bench.clock.advance(60)
    assert await post_and_flush(0) == [1, 500]
    assert await post_and_flush(3) == [1, 500, 3]


async def test_limits_of_other_tenants_and_models_are_counted_apart(
    bench: Bench, bus: EventBus
) -> None:
    for tenant, model in (("acme", "nano"), ("acme", "big"), ("other", "nano"), ("acme", "nano")):
        bus.publish(tenant, "limit.hit", {**HIT, "model": model})
    await bus.flush()

    said = {(row.tenant, row.data["model"]): row.data["count"] for row in await bench.events()}
    assert said == {("acme", "nano"): 2, ("acme", "big"): 1, ("other", "nano"): 1}


async def test_posting_never_raises_and_counts_what_it_cannot_take(bus: EventBus) -> None:
    for kind, data in (
        ("no.such", KEY),
        ("limit.hit", {"limit": object()}),
        ("limit.hit", None),
        ("key.created", {**KEY, "secret": "x"}),
    ):
        bus.publish("acme", kind, data)  # type: ignore[arg-type]
    assert bus.lost == 4


async def test_the_buffer_is_bounded_and_losses_are_counted(
    bench: Bench, bus: EventBus, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "MAX_PENDING", 10)
    for n in range(15):
        bus.publish("acme", "key.revoked", {"id": str(n)})
        bus.publish(f"tenant-{n}", "limit.hit", HIT)
    assert bus.lost == 10

    await bus.flush()
    assert [row.kind for row in await bench.events()].count("key.revoked") == 10


async def test_what_the_store_does_not_take_now_is_written_later_once(
    bench: Bench, bus: EventBus, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The commit went through and its answer was lost, so the batch is written again."""
    begin = bench.database.begin
    down = [True]

    def answer_lost() -> object:
        @asynccontextmanager
        async def transaction() -> AsyncIterator[object]:
            async with begin() as connection:
                yield connection
            if down:
                down.clear()
                raise DatabaseUnavailable

        return transaction()

    monkeypatch.setattr(bench.database, "begin", answer_lost)
    bus.publish("acme", "key.revoked", {"id": "abc"})
    await bus.flush()
    await bus.flush()

    assert len(await bench.events()) == 1
    assert bus.lost == 0


async def test_a_clean_stop_writes_what_is_held(bench: Bench) -> None:
    bus = EventBus(bench.database, bench.clock)
    await bus.start()
    bus.publish("acme", "key.revoked", {"id": "abc"})
    for _ in range(7):
        bus.publish("acme", "limit.hit", HIT)
    await bus.close()

    counts = {row.kind: row.data.get("count") for row in await bench.events()}
    assert counts == {"key.revoked": None, "limit.hit": 7}
    assert bus.lost == 0


async def test_the_background_task_writes_and_wakes_the_deliverer(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "FLUSH_S", 0.01)
    written = asyncio.Event()
    bus = EventBus(bench.database, bench.clock, written.set)
    await bus.start()
    bus.publish("acme", "key.revoked", {"id": "abc"})

    await asyncio.wait_for(written.wait(), 5)
    assert len(await bench.events()) == 1
    await bus.close()
