"""The repository of webhooks: limits, tenants kept apart, secrets shown once."""

import asyncio

import pytest
from sqlalchemy import select

from cluster.events.signing import WebhookSecrets
from cluster.events.webhooks import MAX_GRACE_S, MAX_WEBHOOKS, Webhook
from cluster.net.ssrf import UnsafeUrl
from cluster.runtime.problems import Conflict, InvalidRequest, NotFound
from cluster.secrets.encryption import DecryptionFailed
from cluster.storage.tables import webhooks as table
from tests.contract.events.receiver import Bench

HOSTILE_IDS = ["", "x" * 100, "wh_' OR '1'='1", "wh_1; DROP TABLE webhooks", "a\x00b", "a\r\nX: 1"]


async def sealed(bench: Bench, webhook: Webhook) -> bytes:
    async with bench.database.read() as connection:
        found = await connection.execute(select(table.c.secret).where(table.c.id == webhook.id))
        secret: bytes = found.scalar_one()
    return secret


async def test_a_webhook_is_found_as_it_was_made(bench: Bench) -> None:
    webhook, secret = await bench.add(kinds=["key.*", "user.created", "key.*"])

    assert webhook.kinds == ("key.*", "user.created")
    assert webhook.status == "active"
    assert secret.startswith("whsec_")
    assert await bench.get(webhook) == webhook
    async with bench.database.read() as connection:
        assert list(await bench.webhooks.list(connection, "acme")) == [webhook]
        assert list(await bench.webhooks.list(connection, "other")) == []


async def test_the_secret_is_only_stored_sealed(bench: Bench) -> None:
    webhook, secret = await bench.add()
    stored = await sealed(bench, webhook)

    assert secret.removeprefix("whsec_").encode() not in stored
    now = bench.clock.wall()
    assert len(bench.keyring.keys(webhook.id, stored, now)) == 1
    with pytest.raises(DecryptionFailed):
        bench.keyring.keys("wh_another", stored, now)
    with pytest.raises(DecryptionFailed):
        WebhookSecrets(b"another pepper").keys(webhook.id, stored, now)


async def test_another_tenant_s_webhook_is_not_found(bench: Bench) -> None:
    webhook, _ = await bench.add()
    repository = bench.webhooks

    async with bench.database.begin() as connection:
        with pytest.raises(NotFound):
            await repository.get(connection, "other", webhook.id)
        with pytest.raises(NotFound):
            await repository.update(connection, "other", webhook.id, status="disabled")
        with pytest.raises(NotFound):
            await repository.rotate(connection, "other", webhook.id)
        with pytest.raises(NotFound):
            await repository.deliveries(connection, "other", webhook.id)
        with pytest.raises(NotFound):
            await repository.delete(connection, "other", webhook.id)

    assert await bench.get(webhook) == webhook


@pytest.mark.parametrize("id_", HOSTILE_IDS)
async def test_an_id_that_is_none_is_not_found(bench: Bench, id_: str) -> None:
    async with bench.database.begin() as connection:
        with pytest.raises(NotFound):
            await bench.webhooks.get(connection, "acme", id_)
        with pytest.raises(NotFound):
            await bench.webhooks.create(connection, id_, "https://a.example.com/", ["*"])


async def test_a_tenant_has_at_most_so_many_webhooks_even_when_two_are_made_at_once(
    bench: Bench,
) -> None:
    made = await asyncio.gather(
        *(bench.add(f"h{n}.example.com") for n in range(MAX_WEBHOOKS + 3)), return_exceptions=True
    )

    refused = [one for one in made if isinstance(one, BaseException)]
    assert [type(one) for one in refused] == [Conflict] * 3
    assert str(MAX_WEBHOOKS) in str(refused[0])
    await bench.add(tenant="other")


@pytest.mark.parametrize(
    ("kinds", "param"),
    [
        ([], "kinds"),
        (["*"] * 51, "kinds"),
        (["key.created", "key.stolen"], "kinds.1"),
        (["nothing.*"], "kinds.0"),
        (["key*"], "kinds.0"),
        (["*.created"], "kinds.0"),
        (["' OR 1=1"], "kinds.0"),
    ],
)
async def test_kinds_that_name_no_event_are_refused_with_the_field(
    bench: Bench, kinds: list[str], param: str
) -> None:
    with pytest.raises(InvalidRequest) as refused:
        await bench.add(kinds=kinds)
    assert refused.value.param == param


async def test_an_unsafe_url_is_refused_on_making_and_on_changing(bench: Bench) -> None:
    webhook, _ = await bench.add()
    async with bench.database.begin() as connection:
        for url in ("https://127.0.0.1/", "http://a.example.com/"):
            with pytest.raises(UnsafeUrl):
                await bench.webhooks.create(connection, "acme", url, ["*"])
            with pytest.raises(UnsafeUrl):
                await bench.webhooks.update(connection, "acme", webhook.id, url=url)
    assert await bench.get(webhook) == webhook


async def test_only_what_is_given_changes(bench: Bench) -> None:
    webhook, _ = await bench.add()
    bench.clock.advance(5)
    async with bench.database.begin() as connection:
        after = await bench.webhooks.update(connection, "acme", webhook.id, kinds=["user.*"])

    assert (after.kinds, after.url, after.status) == (("user.*",), webhook.url, "active")
    assert after.updated == pytest.approx(webhook.updated + 5)


async def test_deleting_takes_the_deliveries_along(bench: Bench) -> None:
    webhook, _ = await bench.add()
    await bench.publish()
    async with bench.database.begin() as connection:
        await bench.webhooks.delete(connection, "acme", webhook.id)

    with pytest.raises(NotFound):
        await bench.deliveries(webhook)
    assert await bench.deliverer.run_once() == 0


async def test_disabling_gives_up_what_is_pending(bench: Bench) -> None:
    webhook, _ = await bench.add()
    await bench.publish()
    async with bench.database.begin() as connection:
        await bench.webhooks.update(connection, "acme", webhook.id, status="disabled")

    (delivery,) = await bench.deliveries(webhook)
    assert (delivery.status, delivery.last_error) == ("failed", "the webhook was disabled")


@pytest.mark.parametrize("grace_s", [-1.0, MAX_GRACE_S + 1, float("nan")])
async def test_a_grace_out_of_range_is_refused(bench: Bench, grace_s: float) -> None:
    webhook, _ = await bench.add()
    async with bench.database.begin() as connection:
        with pytest.raises(InvalidRequest) as refused:
            await bench.webhooks.rotate(connection, "acme", webhook.id, grace_s)
    assert refused.value.param == "grace_s"


async def test_after_rotation_both_secrets_verify_until_the_grace_ends(bench: Bench) -> None:
    webhook, old = await bench.add()
    async with bench.database.begin() as connection:
        _, new = await bench.webhooks.rotate(connection, "acme", webhook.id, 60.0)
    await bench.publish()
    await bench.deliverer.run_once()
    bench.clock.advance(61)
    await bench.publish()
    await bench.deliverer.run_once()

    during, after = bench.receiver.received
    assert during.verified(new) == during.verified(old)
    assert len(during.headers["webhook-signature"].split(" ")) == 2
    assert after.verified(new)
    assert len(after.headers["webhook-signature"].split(" ")) == 1


async def test_a_rotation_without_grace_ends_the_old_secret_now(bench: Bench) -> None:
    webhook, _ = await bench.add()
    for _ in range(5):
        async with bench.database.begin() as connection:
            _, new = await bench.webhooks.rotate(connection, "acme", webhook.id, 0.0)

    keys = bench.keyring.keys(webhook.id, await sealed(bench, webhook), bench.clock.wall())
    assert len(keys) == 1
    await bench.publish()
    await bench.deliverer.run_once()
    assert bench.receiver.received[0].verified(new)
