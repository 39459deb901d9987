"""The deliverer: what happens to an event until its receiver has it, or never will."""

from random import Random

import httpx
import pytest
from sqlalchemy import update
from standardwebhooks import WebhookVerificationError

from cluster.events.queue import DeliveryPolicy
from cluster.events.webhooks import Webhook
from cluster.storage.tables import webhooks as table
from cluster.tracing.log_context import log_span
from cluster.tracing.trace_context import new_context
from tests.contract.events.receiver import KEY, PUBLIC, Bench

DAY = 86_400.0


async def only(bench: Bench, webhook: Webhook) -> tuple[str, int, str | None]:
    (delivery,) = await bench.deliveries(webhook)
    return delivery.status, delivery.attempts, delivery.last_error


async def try_until_it_ends(bench: Bench, webhook: Webhook) -> list[float]:
    """Move the clock from try to try; returns the instants of the tries since the first."""
    start, tries = bench.clock.wall(), []
    while (await bench.deliveries(webhook))[-1].status == "pending":
        due = max(0.0, (await bench.deliveries(webhook))[-1].next - bench.clock.wall())
        bench.clock.advance(due + 0.001)
        if await bench.deliverer.run_once():
            tries.append(bench.clock.wall() - start)
    return tries


async def test_an_event_arrives_signed_and_is_not_sent_again(bench: Bench) -> None:
    webhook, secret = await bench.add()
    event = await bench.publish()

    assert await bench.deliverer.run_once() == 1
    assert await bench.deliverer.run_once() == 0

    (got,) = bench.receiver.received
    assert got.id == event
    said = got.verified(secret)
    assert (said["type"], said["tenant"], said["data"]) == ("key.created", "acme", KEY)
    assert said["timestamp"].endswith("Z")
    assert got.headers["content-type"] == "application/json"
    assert await only(bench, webhook) == ("delivered", 1, None)


async def test_a_changed_body_or_id_does_not_verify(bench: Bench) -> None:
    _, secret = await bench.add()
    await bench.publish()
    await bench.deliverer.run_once()
    (got,) = bench.receiver.received

    for body, headers in (
        (got.body + b" ", got.headers),
        (got.body, {**got.headers, "webhook-id": "evt_other"}),
    ):
        with pytest.raises(WebhookVerificationError):
            type(got)(got.host, headers, body).verified(secret)


async def test_a_receiver_that_was_down_gets_the_same_message_later(bench: Bench) -> None:
    webhook, secret = await bench.add()
    bench.receiver.answers["a.example.com"] = httpx.ConnectError("refused")
    event = await bench.publish()
    await bench.deliverer.run_once()
    assert await only(bench, webhook) == ("pending", 1, "the connection failed (ConnectError)")
    assert await bench.deliverer.run_once() == 0

    bench.receiver.answers["a.example.com"] = 503
    bench.clock.advance(12.1)
    await bench.deliverer.run_once()
    assert await only(bench, webhook) == ("pending", 2, "answered 503")

    del bench.receiver.answers["a.example.com"]
    bench.clock.advance(72.1)
    await bench.deliverer.run_once()
    assert await only(bench, webhook) == ("delivered", 3, None)
    refused, taken = bench.receiver.received
    assert refused.id == taken.id == event
    assert refused.body == taken.body
    assert taken.headers["webhook-timestamp"] > refused.headers["webhook-timestamp"]
    assert not isinstance(taken.verified(secret), Exception)


async def test_eight_tries_over_about_a_day_then_the_webhook_is_disabled_with_an_event(
    bench: Bench,
) -> None:
    dead, _ = await bench.add("dead.example.com", ["key.*"])
    bench.receiver.answers["dead.example.com"] = 500
    watching, _ = await bench.add("b.example.com", ["webhook.*"])
    await bench.publish()

    tries = await try_until_it_ends(bench, dead)

    assert len(tries) == 8
    assert 0.75 * DAY < tries[-1] < 1.25 * DAY
    assert await only(bench, dead) == ("failed", 8, "answered 500")
    assert (await bench.get(dead)).status == "disabled"
    (delivery,) = await bench.deliveries(watching)
    assert delivery.kind == "webhook.disabled"
    told = (await bench.events())[-1]
    assert told.data == {"id": dead.id, "reason": "answered 500"}


async def test_one_event_that_is_refused_does_not_disable_a_webhook_that_takes_others(
    bench: Bench,
) -> None:
    webhook, _ = await bench.add()
    bench.receiver.answers["a.example.com"] = 422
    await bench.publish()
    await bench.deliverer.run_once()
    del bench.receiver.answers["a.example.com"]
    bench.clock.advance(1)
    await bench.publish("key.revoked", {"id": "abc"})
    await bench.deliverer.run_once()
    bench.receiver.answers["a.example.com"] = 422

    await try_until_it_ends(bench, webhook)

    taken, refused = await bench.deliveries(webhook)
    assert (taken.status, refused.status) == ("delivered", "failed")
    assert (await bench.get(webhook)).status == "active"


async def test_a_receiver_that_is_gone_is_not_asked_again(bench: Bench) -> None:
    webhook, _ = await bench.add()
    bench.receiver.answers["a.example.com"] = 410
    await bench.publish()
    await bench.publish()
    await bench.deliverer.run_once()

    assert (await bench.get(webhook)).status == "disabled"
    assert {delivery.status for delivery in await bench.deliveries(webhook)} == {"failed"}
    bench.clock.advance(DAY)
    assert await bench.deliverer.run_once() == 0


async def test_a_redirect_counts_as_a_failure(bench: Bench) -> None:
    webhook, _ = await bench.add()
    bench.receiver.answers["a.example.com"] = 307
    await bench.publish()
    await bench.deliverer.run_once()

    status, _, error = await only(bench, webhook)
    assert (status, error) == ("pending", "answered 307; redirects are not followed")
    assert bench.receiver.addresses == [PUBLIC]


async def test_a_name_that_turns_private_is_never_sent_to(bench: Bench) -> None:
    """DNS rebinding between making the webhook and delivering to it."""
    webhook, _ = await bench.add()
    await bench.publish()
    bench.names.addresses["a.example.com"] = ["169.254.169.254"]
    await bench.deliverer.run_once()

    assert bench.receiver.addresses == []
    status, attempts, error = await only(bench, webhook)
    assert (status, attempts) == ("pending", 1)
    assert "not public" in str(error)


async def test_an_event_that_waited_too_long_is_given_up_without_a_try(bench: Bench) -> None:
    webhook, _ = await bench.add()
    await bench.publish()
    bench.clock.advance(bench.deliverer.policy.age_s + 1)
    await bench.deliverer.run_once()

    assert bench.receiver.received == []
    assert await only(bench, webhook) == ("failed", 1, "not delivered in time")


async def test_a_secret_that_cannot_be_opened_is_reported_and_nothing_is_sent(
    bench: Bench,
) -> None:
    webhook, _ = await bench.add()
    await bench.publish()
    async with bench.database.begin() as connection:
        broken = update(table).where(table.c.id == webhook.id).values(secret=b"x" * 40)
        await connection.execute(broken)
    await bench.deliverer.run_once()

    assert bench.receiver.received == []
    assert "rotate" in str((await only(bench, webhook))[2])


async def test_a_test_event_goes_out_at_once_and_leaves_no_trace(bench: Bench) -> None:
    webhook, secret = await bench.add(kinds=["key.*"])

    good = await bench.deliverer.send_test(webhook)
    bench.receiver.answers["a.example.com"] = 404
    bad = await bench.deliverer.send_test(webhook)

    assert (good.delivered, good.status, good.error) == (True, 200, None)
    assert (bad.delivered, bad.status, bad.error) == (False, 404, "answered 404")
    said = bench.receiver.received[0].verified(secret)
    assert (said["type"], said["data"]) == ("webhook.test", {"id": webhook.id})
    assert await bench.events() == []


async def test_old_events_are_forgotten_unless_something_waits_for_them(bench: Bench) -> None:
    webhook, _ = await bench.add(kinds=["key.*"])
    bench.receiver.answers["a.example.com"] = 500
    await bench.publish("tenant.suspended", {"id": "acme"})
    waiting = await bench.publish()
    bench.clock.advance(bench.deliverer.policy.retention_s + 1)
    fresh = await bench.publish("tenant.resumed", {"id": "acme"})

    assert await bench.deliverer.prune() == 1
    assert [row.id for row in await bench.events()] == [waiting, fresh]

    await bench.deliverer.run_once()  # too old: given up
    assert await bench.deliverer.prune() == 1
    assert await bench.deliveries(webhook) == []


def test_the_pauses_grow_and_are_spread() -> None:
    policy, random = DeliveryPolicy(), Random(1)
    for tried, middle in enumerate((10, 60, 360, 2160, 12_960, 36_000, 36_000), start=1):
        pauses = [policy.backoff_s(tried, random) for _ in range(200)]
        assert 0.8 * middle <= min(pauses) < 0.85 * middle
        assert 1.15 * middle < max(pauses) <= 1.2 * middle


async def test_a_webhook_gets_the_trace_in_which_its_event_was_published(bench: Bench) -> None:
    await bench.add()
    await bench.publish()
    span = new_context(is_sampled=True)
    log_span(span)
    await bench.publish()

    await bench.deliverer.run_once()

    sent = [got.headers.get("traceparent") for got in bench.receiver.received]
    assert sorted(sent, key=str) == [span.traceparent, None]
