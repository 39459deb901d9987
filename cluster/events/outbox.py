"""Transactional outbox: an event is written in the transaction of its change.

In: an event and the transaction. Out: a row in `events` and a pending row in `deliveries` for each
active webhook of the tenant whose patterns match. delivery_worker.py sends them.
"""

import hashlib
import secrets
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from sqlalchemy import insert, select
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.ext.asyncio import AsyncConnection

from cluster.events.kinds import EventKind, matches_any, validate_payload
from cluster.runtime.clock import Clock
from cluster.storage.tables import deliveries, events, webhooks
from cluster.tracing.log_context import current_traceparent


@dataclass(frozen=True, slots=True)
class Event:
    """An event of a tenant; `at` is Unix seconds. `trace` is the span in which it was published, as
    a `traceparent`; empty: none."""

    id: str
    tenant: str
    kind: str
    at: float
    data: Mapping[str, Any]
    trace: str = ""


async def publish(
    connection: AsyncConnection,
    clock: Clock,
    tenant: str,
    kind: str,
    data: Mapping[str, Any],
    *,
    once: str | None = None,
    trace: str | None = None,
) -> str:
    """Writes the event and its deliveries in the caller's transaction; returns the event's id.

    With `once`, only the first call with that text (for this tenant and kind) publishes, across
    all processes, so that several replicas report an event once; this lasts until the event is
    pruned (DeliveryPolicy.kept_s). `trace` is the `traceparent` that webhooks get (None: that of
    the current task). Raises ValueError if `data` is invalid for `kind`.
    """
    payload = validate_payload(kind, data)
    if trace is None:
        trace = current_traceparent()
    event = Event(_id(tenant, kind, once), tenant, str(kind), clock.wall(), payload, trace)
    if await _write(connection, event):
        await _fan_out(connection, event)
    return event.id


def _id(tenant: str, kind: str, once: str | None) -> str:
    if once is None:
        return f"evt_{secrets.token_hex(14)}"
    return f"evt_{hashlib.sha256(f'{tenant}|{kind}|{once}'.encode()).hexdigest()[:28]}"


async def _write(connection: AsyncConnection, event: Event) -> bool:
    """Inserts the event; returns whether it is new."""
    dialect = sqlite if connection.dialect.name == "sqlite" else postgresql
    row = {"id": event.id, "tenant": event.tenant, "kind": event.kind, "trace": event.trace}
    statement = dialect.insert(events).values(**row, at=event.at, data=dict(event.data))
    written = await connection.execute(
        statement.on_conflict_do_nothing(index_elements=["id"]).returning(events.c.id)
    )
    return written.first() is not None


async def _fan_out(connection: AsyncConnection, event: Event) -> None:
    active_webhooks = await connection.execute(
        select(webhooks.c.id, webhooks.c.kinds)
        .where(webhooks.c.tenant == event.tenant, webhooks.c.status == "active")
        .with_for_update(read=True, key_share=True)  # so that none is deleted before the commit
    )
    rows = [
        _delivery(event, row.id) for row in active_webhooks if _matches(row.id, row.kinds, event)
    ]
    if rows:
        await connection.execute(insert(deliveries), rows)


def _matches(webhook: str, patterns: list[str], event: Event) -> bool:
    """Whether the webhook receives the event; a test event goes to the tested webhook only."""
    if event.kind == EventKind.WEBHOOK_TEST:
        return bool(webhook == event.data["id"])
    return matches_any(patterns, event.kind)


def _delivery(event: Event, webhook: str) -> dict[str, Any]:
    return {
        "id": f"dlv_{secrets.token_hex(14)}",
        "event": event.id,
        "webhook": webhook,
        "tenant": event.tenant,
        "status": "pending",
        "attempts": 0,
        "next": event.at,
        "locked": None,
        "last_error": None,
    }
