"""The delivery queue: rows in `deliveries`, claimed under leases by any number of processes.

Flows in: a transaction and a time. Flows out: leases that no other process holds until they expire,
and the record of each delivery's end. The end of a lease is also its fence: a worker that comes
back after its lease was taken over changes nothing. Reads are across tenants; every write names the
tenant. Sends nothing.
"""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from random import Random
from typing import Any

from sqlalchemy import ColumnElement, and_, delete, exists, func, or_, select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from cluster.events.kinds import EventKind
from cluster.events.outbox import Event, publish
from cluster.events.webhooks import fail_pending_deliveries
from cluster.runtime.clock import Clock
from cluster.storage.tables import deliveries, events, webhooks

MAX_ERROR = 300
HOUR_S = 3600.0
FAILING_ATTEMPTS = 2  # of one delivery, after which its webhook counts as failing


@dataclass(frozen=True, slots=True)
class DeliveryPolicy:
    """All times in seconds.

    Attempts come after 10 s, 1 min, 6 min, 36 min, 3.6 h, 10 h and 10 h: eight over about a day.
    """

    attempts: int = 8
    first_s: float = 10.0
    factor: float = 6.0
    longest_s: float = 10 * HOUR_S
    jitter: float = 0.2  # of the pause, either way
    age_s: float = 36 * HOUR_S  # an older event fails without an attempt
    attempt_s: float = 10.0  # one attempt, from name resolution to the response
    lease_s: float = 60.0  # longer than an attempt plus the difference of clocks
    slots: int = 64  # concurrent attempts of this process
    tenant_slots: int = 8
    webhook_slots: int = 2
    poll_s: float = 1.0
    housekeeping_s: float = HOUR_S  # between prunings and checks for expiring keys
    retention_s: float = 35 * 24 * HOUR_S  # of events and deliveries; over a month: `once`

    def backoff_s(self, attempt: int, random: Random) -> float:
        """Seconds to wait after attempt number `attempt` (from 1) failed."""
        pause = min(self.first_s * self.factor ** (attempt - 1), self.longest_s)
        return pause * random.uniform(1 - self.jitter, 1 + self.jitter)


@dataclass(frozen=True, slots=True)
class DueDelivery:
    """A delivery that can be claimed."""

    id: str
    webhook: str
    tenant: str


@dataclass(frozen=True, slots=True)
class DeliveryLease:
    """A delivery leased until `until` (Unix seconds), after `attempts` attempts."""

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
    """Due deliveries, webhooks in turn, so that one's backlog hides no other; none of `full`."""
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
    rows = await connection.execute(
        select(waiting.c.id, waiting.c.webhook, waiting.c.tenant)
        .where(waiting.c.turn <= per_webhook)
        .order_by(waiting.c.turn, waiting.c.next)
        .limit(limit)
    )
    return [DueDelivery(row.id, row.webhook, row.tenant) for row in rows]


async def find_overdue(connection: AsyncConnection, now: float) -> tuple[int, float | None]:
    """How many deliveries of active webhooks are due and not claimed, and since when the oldest of
    them is due (Unix seconds)."""
    query = (
        select(func.count(), func.min(deliveries.c.next))
        .join(webhooks, webhooks.c.id == deliveries.c.webhook)
        .where(_is_due(now), webhooks.c.status == "active")
    )
    row = (await connection.execute(query)).one()
    return row[0], row[1]


async def count_failing(connection: AsyncConnection) -> tuple[int, int]:
    """How many active webhooks have refused or missed an event twice and accepted nothing that was
    due since that event, and how many active webhooks there are."""
    failed = (
        select(deliveries.c.webhook, func.max(events.c.at).label("at"))
        .join(events, events.c.id == deliveries.c.event)
        .join(webhooks, webhooks.c.id == deliveries.c.webhook)
        .where(
            deliveries.c.status == "pending",
            deliveries.c.attempts >= FAILING_ATTEMPTS,
            webhooks.c.status == "active",
        )
        .group_by(deliveries.c.webhook)
        .subquery()
    )
    later = deliveries.alias()
    has_accepted = exists().where(
        later.c.webhook == failed.c.webhook,
        later.c.status == "delivered",
        later.c.next >= failed.c.at,
    )
    failing = select(func.count()).select_from(failed).where(~has_accepted).scalar_subquery()
    active = select(func.count()).where(webhooks.c.status == "active").scalar_subquery()
    row = (await connection.execute(select(failing, active))).one()
    return row[0], row[1]


async def claim(
    connection: AsyncConnection, ids: Sequence[str], now: float, lease_s: float
) -> list[DeliveryLease]:
    """Lease those of `ids` that no other process has claimed, for `lease_s`."""
    unclaimed = (
        select(deliveries.c.id)
        .where(deliveries.c.id.in_(list(ids)), _is_due(now))
        .with_for_update(skip_locked=True)
    )
    claimed = list((await connection.execute(unclaimed)).scalars())
    until = now + lease_s
    await connection.execute(
        update(deliveries).where(deliveries.c.id.in_(claimed)).values(locked=until)
    )
    return await _leases(connection, claimed, until)


async def record_delivered(connection: AsyncConnection, lease: DeliveryLease) -> None:
    await _end(connection, lease, {"status": "delivered", "last_error": None})


async def record_failed(connection: AsyncConnection, lease: DeliveryLease, error: str) -> bool:
    """No further attempt. Whether the lease was still valid."""
    return await _end(connection, lease, {"status": "failed", "last_error": error[:MAX_ERROR]})


async def record_retry(
    connection: AsyncConnection, lease: DeliveryLease, error: str, at: float
) -> None:
    """Due again at `at` (Unix seconds)."""
    await _end(connection, lease, {"next": at, "last_error": error[:MAX_ERROR]})


async def release(connection: AsyncConnection, leases: Sequence[DeliveryLease]) -> None:
    """Release deliveries without an attempt."""
    for lease in leases:
        await connection.execute(update(deliveries).where(_is_held(lease)).values(locked=None))


async def lock_webhook(connection: AsyncConnection, lease: DeliveryLease) -> None:
    """Before ending deliveries that may disable it: one locking order avoids deadlocks."""
    query = select(webhooks.c.id).where(
        webhooks.c.tenant == lease.event.tenant, webhooks.c.id == lease.webhook
    )
    await connection.execute(query.with_for_update(key_share=True))


async def succeeded_since(connection: AsyncConnection, lease: DeliveryLease) -> bool:
    """Whether the webhook accepted any event of the time of this one or later."""
    rows = await connection.execute(
        select(deliveries.c.id)
        .join(events, events.c.id == deliveries.c.event)
        .where(
            deliveries.c.tenant == lease.event.tenant,
            deliveries.c.webhook == lease.webhook,
            deliveries.c.status == "delivered",
            events.c.at >= lease.event.at,
        )
        .limit(1)
    )
    return rows.first() is not None


async def disable(
    connection: AsyncConnection, clock: Clock, lease: DeliveryLease, reason: str
) -> None:
    """Disable the webhook, fail its pending deliveries, and notify the tenant's other webhooks."""
    tenant = lease.event.tenant
    disabled = await connection.execute(
        update(webhooks)
        .where(
            webhooks.c.tenant == tenant,
            webhooks.c.id == lease.webhook,
            webhooks.c.status == "active",
        )
        .values(status="disabled", updated=clock.wall())
        .returning(webhooks.c.id)
    )
    if disabled.first() is not None:
        await fail_pending_deliveries(connection, tenant, lease.webhook, "the webhook was disabled")
        payload = {"id": lease.webhook, "reason": reason}
        await publish(connection, clock, tenant, EventKind.WEBHOOK_DISABLED, payload)


async def prune(connection: AsyncConnection, before: float, limit: int = 1_000) -> int:
    """Delete events older than `before` without pending deliveries; returns how many."""
    is_pending = exists().where(deliveries.c.event == events.c.id, deliveries.c.status == "pending")
    old = select(events.c.id).where(events.c.at < before, ~is_pending).limit(limit)
    deleted = await connection.execute(delete(events).where(events.c.id.in_(old)))
    return deleted.rowcount


def _is_due(now: float) -> ColumnElement[bool]:
    return and_(
        deliveries.c.status == "pending",
        deliveries.c.next <= now,
        or_(deliveries.c.locked.is_(None), deliveries.c.locked <= now),
    )


def _is_held(lease: DeliveryLease) -> ColumnElement[bool]:
    return and_(
        deliveries.c.tenant == lease.event.tenant,
        deliveries.c.id == lease.id,
        deliveries.c.status == "pending",
        deliveries.c.locked == lease.until,
    )


async def _end(connection: AsyncConnection, lease: DeliveryLease, values: dict[str, Any]) -> bool:
    row = {"attempts": lease.attempts + 1, "locked": None, **values}
    ended = await connection.execute(update(deliveries).where(_is_held(lease)).values(row))
    return ended.rowcount == 1


async def _leases(
    connection: AsyncConnection, ids: Sequence[str], until: float
) -> list[DeliveryLease]:
    rows = await connection.execute(
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
        for row in rows
    ]
