"""The delivery queue: rows in `deliveries`, claimed under leases by any number of processes.

Flows in: a transaction and an instant. Flows out: claims that nobody else holds until their lease
ends, and the record of how each ended. A claim's lease is also its fence: who comes back after it
was taken over changes nothing. Serves every tenant, so it reads across tenants; what it writes
names the tenant. Sends nothing.
"""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import ColumnElement, and_, delete, exists, func, or_, select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from cluster.events.kinds import EventKind
from cluster.events.outbox import Event, publish
from cluster.events.webhooks import fail_pending_deliveries
from cluster.runtime.clock import Clock
from cluster.storage.tables import deliveries, events, webhooks

MAX_ERROR = 300


@dataclass(frozen=True, slots=True)
class DueDelivery:
    """A delivery that waits to be claimed."""

    id: str
    webhook: str
    tenant: str


@dataclass(frozen=True, slots=True)
class DeliveryLease:
    """A delivery that is ours until `until` (Unix seconds). `attempts` were made before."""

    id: str
    webhook: str
    url: str
    secret: bytes  # sealed
    attempts: int
    until: float
    event: Event


async def find_due(
    connection: AsyncConnection,
    now: float,
    *,
    per_webhook: int,
    limit: int,
    full: Collection[str] = (),
) -> list[DueDelivery]:
    """What is due, webhooks in turn, so that one's backlog hides no other; none of `full`."""
    turn = func.row_number().over(
        partition_by=deliveries.c.webhook, order_by=(deliveries.c.next, deliveries.c.id)
    )
    waiting = (
        select(
            deliveries.c.id,
            deliveries.c.webhook,
            deliveries.c.tenant,
            deliveries.c.next,
            turn.label("turn"),
        )
        .join(webhooks, webhooks.c.id == deliveries.c.webhook)
        .where(_is_due(now), webhooks.c.status == "active", webhooks.c.id.not_in(list(full)))
        .subquery()
    )
    found = await connection.execute(
        select(waiting.c.id, waiting.c.webhook, waiting.c.tenant)
        .where(waiting.c.turn <= per_webhook)
        .order_by(waiting.c.turn, waiting.c.next)
        .limit(limit)
    )
    return [DueDelivery(row.id, row.webhook, row.tenant) for row in found]


async def claim(
    connection: AsyncConnection, ids: Sequence[str], now: float, lease_s: float
) -> list[DeliveryLease]:
    """Those of `ids` that nobody else claimed meanwhile; they are the caller's for `lease_s`."""
    held = (
        select(deliveries.c.id)
        .where(deliveries.c.id.in_(list(ids)), _is_due(now))
        .with_for_update(skip_locked=True)
    )
    ours = list((await connection.execute(held)).scalars())
    until = now + lease_s
    await connection.execute(
        update(deliveries).where(deliveries.c.id.in_(ours)).values(locked=until)
    )
    return await _claimed(connection, ours, until)


async def record_delivered(connection: AsyncConnection, done: DeliveryLease) -> None:
    await _end(connection, done, {"status": "delivered", "last_error": None})


async def record_failed(connection: AsyncConnection, done: DeliveryLease, error: str) -> bool:
    """No further try. Whether the claim was still ours to end."""
    return await _end(connection, done, {"status": "failed", "last_error": error[:MAX_ERROR]})


async def record_retry(
    connection: AsyncConnection, done: DeliveryLease, error: str, at: float
) -> None:
    """Due again at `at` (Unix seconds)."""
    await _end(connection, done, {"next": at, "last_error": error[:MAX_ERROR]})


async def release(connection: AsyncConnection, claims: Sequence[DeliveryLease]) -> None:
    """Give claims back untried."""
    for given in claims:
        await connection.execute(update(deliveries).where(_is_ours(given)).values(locked=None))


async def lock_webhook(connection: AsyncConnection, done: DeliveryLease) -> None:
    """Before ending deliveries that may disable it: who locks in one order never deadlocks."""
    mine = (webhooks.c.tenant == done.event.tenant, webhooks.c.id == done.webhook)
    await connection.execute(select(webhooks.c.id).where(*mine).with_for_update(key_share=True))


async def succeeded_since(connection: AsyncConnection, done: DeliveryLease) -> bool:
    """Whether the webhook took any event that happened at or after this one."""
    found = await connection.execute(
        select(deliveries.c.id)
        .join(events, events.c.id == deliveries.c.event)
        .where(
            deliveries.c.tenant == done.event.tenant,
            deliveries.c.webhook == done.webhook,
            deliveries.c.status == "delivered",
            events.c.at >= done.event.at,
        )
        .limit(1)
    )
    return found.first() is not None


async def disable(
    connection: AsyncConnection, clock: Clock, done: DeliveryLease, reason: str
) -> None:
    """Stop sending to the webhook, give up what is pending, and tell the tenant's others."""
    tenant = done.event.tenant
    turned = await connection.execute(
        update(webhooks)
        .where(
            webhooks.c.tenant == tenant,
            webhooks.c.id == done.webhook,
            webhooks.c.status == "active",
        )
        .values(status="disabled", updated=clock.wall())
        .returning(webhooks.c.id)
    )
    if turned.first() is not None:
        await fail_pending_deliveries(connection, tenant, done.webhook, "the webhook was disabled")
        said = {"id": done.webhook, "reason": reason}
        await publish(connection, clock, tenant, EventKind.WEBHOOK_DISABLED, said)


async def prune(connection: AsyncConnection, before: float, limit: int = 1_000) -> int:
    """Forget events older than `before` that nothing waits for; returns how many."""
    waited_for = exists().where(deliveries.c.event == events.c.id, deliveries.c.status == "pending")
    old = select(events.c.id).where(events.c.at < before, ~waited_for).limit(limit)
    gone = await connection.execute(delete(events).where(events.c.id.in_(old)))
    return gone.rowcount


def _is_due(now: float) -> ColumnElement[bool]:
    return and_(
        deliveries.c.status == "pending",
        deliveries.c.next <= now,
        or_(deliveries.c.locked.is_(None), deliveries.c.locked <= now),
    )


def _is_ours(held: DeliveryLease) -> ColumnElement[bool]:
    return and_(
        deliveries.c.tenant == held.event.tenant,
        deliveries.c.id == held.id,
        deliveries.c.status == "pending",
        deliveries.c.locked == held.until,
    )


async def _end(connection: AsyncConnection, done: DeliveryLease, values: dict[str, Any]) -> bool:
    after = {"attempts": done.attempts + 1, "locked": None, **values}
    ended = await connection.execute(update(deliveries).where(_is_ours(done)).values(after))
    return ended.rowcount == 1


async def _claimed(
    connection: AsyncConnection, ids: Sequence[str], until: float
) -> list[DeliveryLease]:
    found = await connection.execute(
        select(
            deliveries.c.id,
            deliveries.c.attempts,
            deliveries.c.webhook,
            webhooks.c.url,
            webhooks.c.secret,
            *(events.c[name].label(f"event_{name}") for name in Event.__slots__),
        )
        .join(webhooks, webhooks.c.id == deliveries.c.webhook)
        .join(events, events.c.id == deliveries.c.event)
        .where(deliveries.c.id.in_(ids))
    )
    return [
        DeliveryLease(
            row.id,
            row.webhook,
            row.url,
            row.secret,
            row.attempts,
            until,
            Event(*(getattr(row, f"event_{name}") for name in Event.__slots__)),
        )
        for row in found
    ]
