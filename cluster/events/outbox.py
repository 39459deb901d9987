"""The outbox: an event is written with the change it tells of, or not at all.

Flows in: what happened, and the transaction it happened in. Flows out: a row in `events` and one
pending row in `deliveries` for each active webhook of the tenant that wants the kind. Sends
nothing; see deliverer.py.
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


@dataclass(frozen=True, slots=True)
class Event:
    """Something that happened in a tenant; `at` is Unix seconds."""

    id: str
    tenant: str
    kind: str
    at: float
    data: Mapping[str, Any]


async def publish(
    connection: AsyncConnection,
    clock: Clock,
    tenant: str,
    kind: str,
    data: Mapping[str, Any],
    *,
    once: str | None = None,
) -> str:
    """Write the event and its deliveries in the caller's transaction; returns the event's id.

    With `once`, the first call with that text (for this tenant and kind) publishes and later ones
    do nothing, from whichever process: what several replicas notice is told one time. It holds
    while the event is kept (deliverer.py: KEPT_S). Raises ValueError if `data` has not the shape
    of `kind`.
    """
    said = validate_payload(kind, data)
    event = Event(_id(tenant, kind, once), tenant, str(kind), clock.wall(), said)
    if await _write(connection, event):
        await _fan_out(connection, event)
    return event.id


def _id(tenant: str, kind: str, once: str | None) -> str:
    if once is None:
        return f"evt_{secrets.token_hex(14)}"
    return f"evt_{hashlib.sha256(f'{tenant}|{kind}|{once}'.encode()).hexdigest()[:28]}"


async def _write(connection: AsyncConnection, event: Event) -> bool:
    """Whether the event is new."""
    dialect = sqlite if connection.dialect.name == "sqlite" else postgresql
    row = {"id": event.id, "tenant": event.tenant, "kind": event.kind}
    statement = dialect.insert(events).values(**row, at=event.at, data=dict(event.data))
    written = await connection.execute(
        statement.on_conflict_do_nothing(index_elements=["id"]).returning(events.c.id)
    )
    return written.first() is not None


async def _fan_out(connection: AsyncConnection, event: Event) -> None:
    listening = await connection.execute(
        select(webhooks.c.id, webhooks.c.kinds)
        .where(webhooks.c.tenant == event.tenant, webhooks.c.status == "active")
        .with_for_update(read=True, key_share=True)  # none is deleted before we commit
    )
    rows = [_delivery(event, row.id) for row in listening if _takes(row.id, row.kinds, event)]
    if rows:
        await connection.execute(insert(deliveries), rows)


def _takes(webhook: str, patterns: list[str], event: Event) -> bool:
    """A test is for the webhook that is tested, whatever it asks for."""
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
