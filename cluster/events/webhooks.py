"""Repository of webhooks.

In: a transaction, the tenant and the fields. Out: `Webhook` values, and a signing secret once, when
it is created. Another tenant's webhook is NotFound. It checks a URL's form; call `SsrfGuard.target`
before the transaction to check its addresses as well, as every delivery does. It neither commits
nor publishes.
"""

import secrets
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal

from sqlalchemy import Row, Select, delete, insert, select, tuple_, update
from sqlalchemy.ext.asyncio import AsyncConnection

from cluster.events.kinds import is_pattern
from cluster.events.signing import WebhookSecrets
from cluster.net.ssrf import SsrfGuard
from cluster.runtime.clock import Clock
from cluster.runtime.problems import Conflict, InvalidRequest, NotFound
from cluster.storage.pagination import DEFAULT_LIMIT, Page, decode_cursor, encode_cursor, is_id
from cluster.storage.tables import deliveries, events, tenants, webhooks

MAX_WEBHOOKS = 20  # of one tenant
MAX_KINDS = 50  # patterns of one webhook
GRACE_S = 86_400.0  # how long a rotated secret also signs
MAX_GRACE_S = 7 * 86_400.0
_DELIVERY = ("id", "event", "status", "attempts", "next", "last_error")

Status = Literal["active", "disabled"]


@dataclass(frozen=True, slots=True)
class Webhook:
    """A webhook. `kinds` are patterns (kinds.py); times are Unix seconds."""

    id: str
    tenant: str
    url: str
    kinds: tuple[str, ...]
    status: str
    created: float
    updated: float


@dataclass(frozen=True, slots=True)
class Delivery:
    """The delivery of an event to a webhook; `next` is the time of the next (or last) attempt."""

    id: str
    event: str
    kind: str
    status: str
    attempts: int
    next: float
    last_error: str | None


class WebhookRepository:
    """SQL of webhooks and their deliveries."""

    def __init__(self, keyring: WebhookSecrets, guard: SsrfGuard, clock: Clock) -> None:
        self._keyring = keyring
        self._guard = guard
        self._clock = clock

    async def create(
        self, connection: AsyncConnection, tenant: str, url: str, kinds: Sequence[str]
    ) -> tuple[Webhook, str]:
        """The webhook and its secret, which is shown only once.

        Raises UnsafeUrl, InvalidRequest (`kinds`), Conflict over MAX_WEBHOOKS, NotFound (tenant).
        """
        self._guard.check(url)
        patterns = _validate_kinds(kinds)
        await _lock_tenant(connection, tenant)
        if len(await self.list(connection, tenant)) >= MAX_WEBHOOKS:
            raise Conflict(f"A tenant has at most {MAX_WEBHOOKS} webhooks.", limit=MAX_WEBHOOKS)
        now, id_ = self._clock.wall(), f"wh_{secrets.token_hex(12)}"
        secret, sealed = self._keyring.new(id_)
        webhook = Webhook(id_, tenant, url, patterns, "active", now, now)
        await connection.execute(insert(webhooks).values(**_row(webhook), secret=sealed))
        return webhook, secret

    async def list(self, connection: AsyncConnection, tenant: str) -> Sequence[Webhook]:
        """The tenant's webhooks, oldest first."""
        rows = await connection.execute(
            select(webhooks)
            .where(webhooks.c.tenant == tenant)
            .order_by(webhooks.c.created, webhooks.c.id)
        )
        return [_webhook(row) for row in rows]

    async def get(self, connection: AsyncConnection, tenant: str, id_: str) -> Webhook:
        """Raises NotFound, also for another tenant's webhook."""
        return _webhook(await self._find(connection, tenant, id_))

    async def update(
        self,
        connection: AsyncConnection,
        tenant: str,
        id_: str,
        *,
        url: str | None = None,
        kinds: Sequence[str] | None = None,
        status: Status | None = None,
    ) -> Webhook:
        """Changes fields that are not None; disabling fails pending deliveries. Raises like get."""
        changes: dict[str, Any] = {"updated": self._clock.wall()}
        if url is not None:
            changes["url"] = self._guard.check(url).url
        if kinds is not None:
            changes["kinds"] = list(_validate_kinds(kinds))
        if status is not None:
            changes["status"] = _validate_status(status)
        await self._find(connection, tenant, id_)
        await self._update_row(connection, tenant, id_, changes)
        if status == "disabled":
            await fail_pending_deliveries(connection, tenant, id_, "the webhook was disabled")
        return await self.get(connection, tenant, id_)

    async def rotate(
        self, connection: AsyncConnection, tenant: str, id_: str, grace_s: float = GRACE_S
    ) -> tuple[Webhook, str]:
        """Creates a new secret; both sign for `grace_s` seconds (0: the old one ends now)."""
        if not 0 <= grace_s <= MAX_GRACE_S:
            raise InvalidRequest(f"grace_s: must be 0 to {MAX_GRACE_S:g}.", param="grace_s")
        now, row = self._clock.wall(), await self._find(connection, tenant, id_, lock=True)
        secret, sealed = self._keyring.rotated(id_, row.secret, now, grace_s)
        await self._update_row(connection, tenant, id_, {"secret": sealed, "updated": now})
        return await self.get(connection, tenant, id_), secret

    async def delete(self, connection: AsyncConnection, tenant: str, id_: str) -> None:
        """Deletes a webhook and its deliveries. Raises NotFound."""
        await self._find(connection, tenant, id_)
        await connection.execute(
            delete(webhooks).where(webhooks.c.tenant == tenant, webhooks.c.id == id_)
        )

    async def deliveries(
        self,
        connection: AsyncConnection,
        tenant: str,
        id_: str,
        limit: int = DEFAULT_LIMIT,
        cursor: str | None = None,
    ) -> Page[Delivery]:
        """Deliveries by event time, newest first. Raises NotFound, InvalidRequest."""
        await self._find(connection, tenant, id_)
        order = (events.c.at, deliveries.c.id)
        query: Select[Any] = (
            select(*(deliveries.c[name] for name in _DELIVERY), events.c.kind, events.c.at)
            .join(events, events.c.id == deliveries.c.event)
            .where(deliveries.c.tenant == tenant, deliveries.c.webhook == id_)
        )
        if cursor is not None:
            query = query.where(tuple_(*order) < tuple_(*decode_cursor(cursor)))
        query = query.order_by(*(column.desc() for column in order)).limit(limit + 1)
        rows = (await connection.execute(query)).all()
        items = tuple(_delivery(row) for row in rows[:limit])
        has_more = len(rows) > limit
        return Page(
            items, encode_cursor(rows[limit - 1].at, rows[limit - 1].id) if has_more else None
        )

    async def _find(
        self, connection: AsyncConnection, tenant: str, id_: str, lock: bool = False
    ) -> Row[Any]:
        if not is_id(id_):
            raise _not_found(id_)
        query = select(webhooks).where(webhooks.c.tenant == tenant, webhooks.c.id == id_)
        row = (
            await connection.execute(query.with_for_update(key_share=True) if lock else query)
        ).first()
        if row is None:
            raise _not_found(id_)
        return row

    async def _update_row(
        self, connection: AsyncConnection, tenant: str, id_: str, changes: dict[str, Any]
    ) -> None:
        mine = (webhooks.c.tenant == tenant, webhooks.c.id == id_)
        await connection.execute(update(webhooks).where(*mine).values(changes))


async def find_secret(connection: AsyncConnection, tenant: str, id_: str) -> bytes:
    """The encrypted signing keys. Raises NotFound."""
    query = select(webhooks.c.secret).where(webhooks.c.tenant == tenant, webhooks.c.id == id_)
    row = (await connection.execute(query)).first()
    if row is None:
        raise _not_found(id_)
    return bytes(row.secret)


async def fail_pending_deliveries(
    connection: AsyncConnection, tenant: str, webhook: str, why: str
) -> None:
    """Marks all pending deliveries of the webhook as failed."""
    await connection.execute(
        update(deliveries)
        .where(
            deliveries.c.tenant == tenant,
            deliveries.c.webhook == webhook,
            deliveries.c.status == "pending",
        )
        .values(status="failed", locked=None, last_error=why)
    )


def _not_found(id_: str) -> NotFound:
    return NotFound(f"No webhook '{id_[:64]}'.", param="webhook")


async def _lock_tenant(connection: AsyncConnection, tenant: str) -> None:
    """Locks the tenant, so that concurrent creates respect MAX_WEBHOOKS. Raises NotFound."""
    held = select(tenants.c.id).where(tenants.c.id == tenant).with_for_update()
    if not is_id(tenant) or (await connection.execute(held)).first() is None:
        raise NotFound(f"No tenant '{tenant[:64]}'.", param="tenant")


def _validate_kinds(kinds: Sequence[str]) -> tuple[str, ...]:
    if not 1 <= len(kinds) <= MAX_KINDS:
        raise InvalidRequest(f"kinds: must hold 1 to {MAX_KINDS} kinds.", param="kinds")
    for index, kind in enumerate(kinds):
        if not is_pattern(kind):
            raise InvalidRequest(
                f"kinds.{index}: '{kind[:64]}' names no event; write such as key.created or key.*.",
                param=f"kinds.{index}",
            )
    return tuple(dict.fromkeys(kinds))


def _validate_status(status: str) -> str:
    if status not in ("active", "disabled"):
        raise InvalidRequest("status: must be active or disabled.", param="status")
    return status


def _row(webhook: Webhook) -> dict[str, Any]:
    row = {name: getattr(webhook, name) for name in Webhook.__slots__}
    return {**row, "kinds": list(webhook.kinds)}


def _webhook(row: Row[Any]) -> Webhook:
    values = {name: getattr(row, name) for name in Webhook.__slots__}
    return Webhook(**{**values, "kinds": tuple(row.kinds)})


def _delivery(row: Row[Any]) -> Delivery:
    return Delivery(**{name: getattr(row, name) for name in Delivery.__slots__})
