"""Several deliverers, dead receivers, crashes and stops: nobody is stalled, nothing is doubled."""

import asyncio
from collections import Counter

import pytest
from sqlalchemy import insert

from cluster.events import queue
from cluster.events.delivery_worker import announce_expiring
from cluster.events.queue import DeliveryPolicy
from cluster.runtime.clock import ManualClock
from cluster.storage.tables import api_keys
from tests.contract.events.receiver import Bench, until


async def test_two_deliverers_never_hold_the_same_delivery(bench: Bench) -> None:
    for n in range(6):
        await bench.add(f"h{n}.example.com")
    for _ in range(6):
        await bench.publish()
    others = [bench.another() for _ in range(3)]
    everyone = [bench.deliverer, *others]

    while sum(await asyncio.gather(*(one.run_once() for one in everyone))):
        pass
    for other in others:
        await other.close()

    arrivals = Counter((got.host, got.id) for got in bench.receiver.received)
    assert len(arrivals) == 36
    assert set(arrivals.values()) == {1}


async def test_a_claim_is_refused_to_all_but_one(bench: Bench) -> None:
    webhook, _ = await bench.add()
    for _ in range(20):
        await bench.publish()
    ids = [delivery.id for delivery in await bench.deliveries(webhook)]

    async def claim() -> list[str]:
        async with bench.database.begin() as connection:
            claims = await queue.claim(connection, ids, bench.clock.wall(), 60.0)
        return [claim.id for claim in claims]

    claimed = await asyncio.gather(*(claim() for _ in range(8)))

    assert sorted(id_ for part in claimed for id_ in part) == sorted(ids)


async def test_a_delivery_of_a_process_that_died_is_taken_over_and_the_late_one_is_fenced(
    bench: Bench,
) -> None:
    webhook, _ = await bench.add()
    await bench.publish()
    ids = [delivery.id for delivery in await bench.deliveries(webhook)]
    async with bench.database.begin() as connection:
        (dead,) = await queue.claim(connection, ids, bench.clock.wall(), 60.0)

    assert await bench.deliverer.run_once() == 0
    bench.clock.advance(60.0)
    assert await bench.deliverer.run_once() == 1

    async with bench.database.begin() as connection:
        assert not await queue.record_failed(connection, dead, "late")
    (delivery,) = await bench.deliveries(webhook)
    assert (delivery.status, delivery.attempts) == ("delivered", 1)


async def test_ends_that_each_disable_the_webhook_do_not_block_each_other(
    bench: Bench, caplog: pytest.LogCaptureFixture
) -> None:
    webhook, _ = await bench.add("gone.example.com", ["key.*"])
    watching, _ = await bench.add("b.example.com", ["webhook.*"])
    bench.receiver.answers["gone.example.com"] = 410
    for _ in range(8):
        await bench.publish()
    others = [bench.another() for _ in range(3)]

    await asyncio.gather(*(one.run_once() for one in [bench.deliverer, *others]))
    for other in others:
        await other.close()

    assert (await bench.get(webhook)).status == "disabled"
    assert {delivery.status for delivery in await bench.deliveries(webhook)} == {"failed"}
    assert len(await bench.deliveries(watching)) == 1
    assert caplog.records == []


async def test_a_dead_receiver_stalls_neither_others_nor_its_tenant_s_others(
    bench: Bench,
) -> None:
    await bench.add("dead.example.com")
    await bench.add("live.example.com")
    await bench.add("live.example.org", tenant="other")
    bench.receiver.hanging.add("dead.example.com")
    for _ in range(12):
        await bench.publish()
        await bench.publish(tenant="other")

    await bench.deliverer.start()
    await until(lambda: len(bench.receiver.received) == 24)

    assert bench.receiver.open == bench.deliverer.policy.webhook_slots
    hosts = Counter(got.host for got in bench.receiver.received)
    assert hosts == {"live.example.com": 12, "live.example.org": 12}


async def test_a_tenant_s_dead_receivers_leave_slots_to_other_tenants(bench: Bench) -> None:
    policy = DeliveryPolicy(slots=8, tenant_slots=4)
    deliverer = bench.another(policy)
    for n in range(10):
        await bench.add(f"dead{n}.example.com")
        bench.receiver.hanging.add(f"dead{n}.example.com")
    await bench.publish()
    await bench.add("live.example.org", tenant="other")

    await deliverer.start()
    await until(lambda: bench.receiver.open == policy.tenant_slots)
    await bench.publish(tenant="other")
    deliverer.wake()
    await until(lambda: len(bench.receiver.received) == 1)

    assert bench.receiver.open == policy.tenant_slots
    bench.receiver.release()
    await deliverer.close()


async def test_tries_at_once_are_bounded(bench: Bench) -> None:
    policy = DeliveryPolicy(slots=5, tenant_slots=5)
    deliverer = bench.another(policy)
    for n in range(12):
        await bench.add(f"h{n}.example.com")
        bench.receiver.hanging.add(f"h{n}.example.com")
    await bench.publish()

    await deliverer.start()
    await until(lambda: bench.receiver.open == 5)
    bench.receiver.release()
    await until(lambda: len(bench.receiver.received) == 12)

    assert bench.receiver.most_open == 5
    await deliverer.close()


async def test_a_stop_gives_back_what_it_cannot_end(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("cluster.events.delivery_worker.CLOSE_S", 0.05)
    webhook, _ = await bench.add("slow.example.com")
    bench.receiver.hanging.add("slow.example.com")
    await bench.publish()
    stopping = bench.another()
    await stopping.start()
    await until(lambda: bench.receiver.open == 1)
    await stopping.close()

    (delivery,) = await bench.deliveries(webhook)
    assert (delivery.status, delivery.attempts) == ("pending", 0)
    bench.receiver.hanging.clear()
    assert await bench.deliverer.run_once() == 1  # at once, not when the lease ends


async def test_a_slow_receiver_is_given_up_after_the_time_limit(bench: Bench) -> None:
    webhook, _ = await bench.add("slow.example.com")
    bench.receiver.hanging.add("slow.example.com")
    await bench.publish()
    hasty = bench.another(DeliveryPolicy(attempt_s=0.05))
    await hasty.run_once()
    await hasty.close()

    (delivery,) = await bench.deliveries(webhook)
    assert (delivery.status, delivery.last_error) == ("pending", "no answer within 0.05 s")


async def test_the_worker_goes_on_after_the_store_was_away(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The first look for work fails as it does when the store cannot be reached."""
    await bench.add()
    await bench.publish()
    looked, find_due = [], queue.find_due

    async def away_at_first(*arguments: object, **options: object) -> list[queue.DueDelivery]:
        looked.append(1)
        if len(looked) == 1:
            raise OSError("connection refused")
        return await find_due(*arguments, **options)  # type: ignore[arg-type]

    monkeypatch.setattr(queue, "find_due", away_at_first)
    deliverer = bench.another(DeliveryPolicy(poll_s=0.01))
    await deliverer.start()
    await until(lambda: len(bench.receiver.received) == 1)
    await deliverer.close()


async def test_a_key_that_expires_within_a_week_is_told_of_once(bench: Bench) -> None:
    now = bench.clock.wall()
    key = {"tenant": "acme", "name": "", "digest": b"", "scopes": [], "bootstrap": False}
    key |= {"created": 0.0, "created_by": "system", "revoked": None, "replaced_by": None}
    days = {"soon": 3.0, "later": 30.0, "past": -1.0, "revoked": 3.0, "rotated": 3.0}
    rows = [{**key, "id": id_, "expires": now + 86_400 * n} for id_, n in days.items()]
    rows[3]["revoked"], rows[4]["replaced_by"] = now, "soon"
    async with bench.database.begin() as connection:
        await connection.execute(insert(api_keys), rows)

    for _ in range(3):
        async with bench.database.begin() as connection:
            await announce_expiring(connection, bench.clock)

    (told,) = await bench.events()
    assert (told.tenant, told.kind, told.data["id"]) == ("acme", "key.expiring", "soon")


async def test_an_hour_later_old_events_are_pruned_by_the_worker(
    bench: Bench, clock: ManualClock
) -> None:
    await bench.publish("tenant.suspended", {"id": "acme"})
    deliverer = bench.another(DeliveryPolicy(poll_s=0.01))
    clock.advance(deliverer.policy.retention_s + 1)
    left: list[object] = [None]

    await deliverer.start()
    async with asyncio.timeout(60):
        while left:
            left = await bench.events()
    await deliverer.close()
