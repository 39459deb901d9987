"""SQL of collections: making, finding, changing and deleting them.

Methods take the caller's connection first and never commit. Knows no authorization. The points of a
deleted collection are deleted later (purge.py); nobody finds them, as their collection has no row.
"""

import secrets
from collections.abc import Callable
from typing import Any

from sqlalchemy import Row, and_, delete, func, insert, or_, select, update
from sqlalchemy.exc import IntegrityError
from sqlalchemy.ext.asyncio import AsyncConnection

from cluster.collections.model import (
    ID_PREFIX,
    Collection,
    CollectionDraft,
    CollectionLimits,
    CollectionsFull,
    no_collection,
)
from cluster.runtime.clock import Clock
from cluster.runtime.problems import Conflict, NotFound
from cluster.storage.pagination import Page, is_id, page
from cluster.storage.tables import collections, tenants

LimitsOf = Callable[[str], CollectionLimits]
COLUMNS = tuple(collections.c[name] for name in Collection.__slots__)
USED_S = 60.0  # between two writes of when a collection was used
_C = collections.c


def default_limits(tenant: str) -> CollectionLimits:
    return CollectionLimits()


class CollectionRepository:
    """`limits_of` gives those of a tenant."""

    def __init__(self, clock: Clock, limits_of: LimitsOf = default_limits) -> None:
        self._clock = clock
        self._limits_of = limits_of

    async def create(
        self, connection: AsyncConnection, tenant: str, key: str, draft: CollectionDraft
    ) -> Collection:
        """Raises Conflict (name), CollectionsFull, NotFound for a tenant that does not exist."""
        await lock_tenant(connection, tenant)
        most = self._limits_of(tenant).max_collections
        count = select(func.count()).where(_C.tenant == tenant)
        if (await connection.execute(count)).scalar_one() >= most:
            raise CollectionsFull("collections", most)
        id, now = f"{ID_PREFIX}{secrets.token_hex(12)}", self._clock.wall()
        values = {
            "id": id,
            "tenant": tenant,
            "name": draft.name or id,
            "key": key,
            "description": draft.description,
            "model": draft.model,
            "dimensions": draft.dimensions,
            "metric": draft.metric,
            "generation": 1,
            "sequence": 0,
            "purged": 0,
            "points": 0,
            "bytes": 0,
            "attributes": dict(draft.attributes),
            "created": now,
            "updated": now,
            "used": now,
            "keep_s": draft.keep_s,
        }
        new = insert(collections).values(**values).returning(*COLUMNS)
        try:
            async with connection.begin_nested():
                return read_collection((await connection.execute(new)).one())
        except IntegrityError as error:
            raise _exists(draft.name) from error

    async def get(
        self, connection: AsyncConnection, tenant: str, name: str, *, lock: bool = False
    ) -> Collection:
        """By its id or its name. With `lock`, nobody else changes it until the transaction ends.
        Raises NotFound."""
        if not is_id(name):
            raise no_collection(name)
        query = select(*COLUMNS).where(_is(tenant, name))
        if lock:
            query = query.with_for_update()
        row = (await connection.execute(query)).first()
        if row is None:
            raise no_collection(name)
        return read_collection(row)

    async def list(
        self, connection: AsyncConnection, tenant: str, limit: int, after: str | None
    ) -> Page[Collection]:
        """By name. Raises InvalidRequest (limit, after)."""
        statement = select(*COLUMNS).where(_C.tenant == tenant)
        return await page(connection, statement, _C.name, limit, after, read_collection)

    async def update(
        self, connection: AsyncConnection, tenant: str, id: str, **values: Any
    ) -> Collection:
        """Of `name`, `description`, `attributes` and `keep_s`. Raises NotFound, Conflict (name)."""
        now = self._clock.wall()
        changed = update(collections).where(_C.tenant == tenant, _C.id == id)
        changed = changed.values(**values, updated=now, used=now).returning(*COLUMNS)
        try:
            async with connection.begin_nested():
                row = (await connection.execute(changed)).first()
        except IntegrityError as error:
            raise _exists(str(values.get("name"))) from error
        if row is None:
            raise no_collection(id)
        return read_collection(row)

    async def delete(self, connection: AsyncConnection, tenant: str, id: str) -> Collection:
        """From now on no search and no change finds it. Raises NotFound."""
        gone = delete(collections).where(_C.tenant == tenant, _C.id == id).returning(*COLUMNS)
        row = (await connection.execute(gone)).first()
        if row is None:
            raise no_collection(id)
        return read_collection(row)

    async def touch(self, connection: AsyncConnection, tenant: str, id: str) -> None:
        used = update(collections).where(_C.tenant == tenant, _C.id == id)
        await connection.execute(used.values(used=self._clock.wall()))


def is_use_late(collection: Collection, now: float) -> bool:
    """Whether a search has to write that the collection is used (`touch`): those that expire, once
    a minute."""
    return collection.keep_s is not None and now - collection.used > USED_S


async def lock_tenant(connection: AsyncConnection, tenant: str) -> None:
    """What the tenant has stored grows in one transaction at a time. Raises NotFound."""
    row = select(tenants.c.id).where(tenants.c.id == tenant).with_for_update(key_share=True)
    if (await connection.execute(row)).first() is None:
        raise NotFound(f"There is no tenant '{tenant}'.", param="tenant")


async def stored(connection: AsyncConnection, tenant: str) -> tuple[int, int]:
    """Points and bytes in the tenant's collections."""
    total = select(
        func.coalesce(func.sum(_C.points), 0), func.coalesce(func.sum(_C.bytes), 0)
    ).where(_C.tenant == tenant)
    row = (await connection.execute(total)).one()
    return int(row[0]), int(row[1])


def read_collection(row: Row[Any]) -> Collection:
    """Of COLUMNS."""
    return Collection(**row._mapping)


def _is(tenant: str, name: str) -> Any:
    return and_(_C.tenant == tenant, or_(_C.id == name, _C.name == name))


def _exists(name: str) -> Conflict:
    return Conflict(f"name: there is a collection '{name}' already.", param="name")
