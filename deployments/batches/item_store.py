"""The items of batches in the database: what is to be called, and what came of it.

In: a transaction, a tenant, a job. Out: items and results. Bodies and results are encrypted with
the tenant's secret and bound to their row; a body is deleted once its result is stored. Rows are
deleted with their job.
"""

import logging
from collections.abc import Callable, Collection, Iterable, Sequence
from dataclasses import dataclass, replace
from itertools import islice
from typing import Any

from sqlalchemy import ColumnElement, and_, bindparam, func, insert, select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from cluster.secrets.encryption import DecryptionFailed, SecretBox
from cluster.storage.database import DatabaseUnavailable
from cluster.storage.tables import batch_items as rows
from deployments.batches.model import BatchItem, ItemCounts, ItemOutcome, ItemResult, ItemState

ADDED_AT_ONCE = 50  # of an order; other requests run in between
PAGE_BYTES = 4 << 20  # of the results on one page
_PURPOSE = "batches"
_NOTHING = b""

log = logging.getLogger("mobula.batches")


@dataclass(frozen=True, slots=True)
class ItemPage:
    """Results by index; `next` is the index after which the next page begins (None: the last)."""

    items: tuple[ItemResult, ...]
    next: int | None


class BatchItemStore:
    """`secret_of` gives a tenant's secret."""

    def __init__(self, secret_of: Callable[[str], bytes]) -> None:
        self._secret_of = secret_of

    async def add(
        self, connection: AsyncConnection, tenant: str, job: str, items: Iterable[BatchItem]
    ) -> None:
        """Takes items as it writes them, ADDED_AT_ONCE between two turns of the event loop."""
        box, left = self._box(tenant), iter(items)
        while values := [
            {
                "job": job,
                "number": item.index,
                "tenant": tenant,
                "custom_id": item.custom_id,
                "state": "queued",
                "body": box.encrypt(item.body, _context(tenant, job, item.index)),
                "size": 0,
            }
            for item in islice(left, ADDED_AT_ONCE)
        ]:
            await connection.execute(insert(rows), values)

    async def pending(self, connection: AsyncConnection, tenant: str, job: str) -> list[int]:
        """The indexes of items without an outcome, in order."""
        query = select(rows.c.number).where(_of(tenant, job), rows.c.state == "queued")
        return list((await connection.execute(query.order_by(rows.c.number))).scalars())

    async def queued(
        self, connection: AsyncConnection, tenant: str, job: str, indexes: Collection[int]
    ) -> frozenset[int]:
        """Those of `indexes` that have no outcome."""
        is_queued = and_(rows.c.number.in_(list(indexes)), rows.c.state == "queued")
        found = await connection.execute(select(rows.c.number).where(_of(tenant, job), is_queued))
        return frozenset(found.scalars())

    async def load(
        self, connection: AsyncConnection, tenant: str, job: str, indexes: Collection[int]
    ) -> list[BatchItem]:
        """Items without an outcome."""
        query = select(rows.c.number, rows.c.custom_id, rows.c.body).where(
            _of(tenant, job), rows.c.number.in_(list(indexes)), rows.c.state == "queued"
        )
        box = self._box(tenant)
        return [
            BatchItem(row.number, row.custom_id, _opened(box, tenant, job, row.number, row.body))
            for row in await connection.execute(query.order_by(rows.c.number))
        ]

    async def save(
        self, connection: AsyncConnection, tenant: str, job: str, outcomes: Sequence[ItemOutcome]
    ) -> None:
        """An item keeps the outcome that it has."""
        box = self._box(tenant)
        values = [
            {
                "at_number": outcome.index,
                "state": outcome.state,
                "status": outcome.status,
                "request_id": outcome.request_id,
                "body": _NOTHING,
                "result": box.encrypt(outcome.body, _context(tenant, job, outcome.index)),
                "size": len(outcome.body),
            }
            for outcome in outcomes
        ]
        is_item = and_(
            _of(tenant, job), rows.c.number == bindparam("at_number"), rows.c.state == "queued"
        )
        await connection.execute(update(rows).where(is_item), values)

    async def counts(
        self, connection: AsyncConnection, tenant: str, jobs: Collection[str]
    ) -> dict[str, ItemCounts]:
        """By job."""
        query = (
            select(rows.c.job, rows.c.state, func.count().label("items"))
            .where(rows.c.tenant == tenant, rows.c.job.in_(list(jobs)))
            .group_by(rows.c.job, rows.c.state)
        )
        found = dict.fromkeys(jobs, ItemCounts(0))
        for row in await connection.execute(query):
            counts = found[row.job]
            counts = replace(counts, total=counts.total + row.items)
            if row.state != "queued":
                counts = replace(counts, **{row.state: row.items})
            found[row.job] = counts
        return found

    async def page(
        self,
        connection: AsyncConnection,
        tenant: str,
        job: str,
        *,
        state: ItemState | None,
        after: int,
        limit: int,
    ) -> ItemPage:
        """At most `limit` items after index `after`, and no more than PAGE_BYTES of results, but
        always one."""
        listed = select(rows.c.number, rows.c.size).where(_of(tenant, job), rows.c.number > after)
        if state is not None:
            listed = listed.where(rows.c.state == state)
        found = (await connection.execute(listed.order_by(rows.c.number).limit(limit + 1))).all()
        shown, size = list[int](), 0
        for row in found[:limit]:
            size += row.size
            if shown and size > PAGE_BYTES:
                break
            shown.append(row.number)
        query = select(rows).where(_of(tenant, job), rows.c.number.in_(shown))
        box = self._box(tenant)
        items = tuple(
            _result(box, row) for row in await connection.execute(query.order_by(rows.c.number))
        )
        return ItemPage(items, shown[-1] if len(shown) < len(found) else None)

    def _box(self, tenant: str) -> SecretBox:
        return SecretBox(self._secret_of(tenant), _PURPOSE)


def open_sealed(secret: bytes, tenant: str, job: str, index: int, sealed: bytes) -> bytes:
    """A body or a result in plain. Raises DatabaseUnavailable where it cannot be decrypted."""
    return _opened(SecretBox(secret, _PURPOSE), tenant, job, index, sealed)


def _result(box: SecretBox, row: Any) -> ItemResult:
    body = None
    if row.result is not None:
        body = _opened(box, row.tenant, row.job, row.number, row.result)
    return ItemResult(row.number, row.custom_id, row.state, row.status, body, row.request_id)


def _of(tenant: str, job: str) -> ColumnElement[bool]:
    return and_(rows.c.tenant == tenant, rows.c.job == job)


def _opened(box: SecretBox, tenant: str, job: str, index: int, sealed: bytes) -> bytes:
    try:
        return box.decrypt(sealed, _context(tenant, job, index))
    except DecryptionFailed:
        log.error("an item of a batch of tenant %s cannot be decrypted", tenant)
        raise DatabaseUnavailable from None


def _context(tenant: str, job: str, index: int) -> bytes:
    """The encryption context, which binds content to its row."""
    return f"{tenant}\0{job}\0{index}".encode()
