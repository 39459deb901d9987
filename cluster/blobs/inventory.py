"""Rows of `stored_objects`: which files there are, and which bytes must still be deleted.

A file's row has its path. A row with UNNAMED and its place is not a file: either a reservation for
an upload, or bytes to be deleted. It is deleted after the bytes, so a crash at any point leaves a
row by which they are found. Knows no store of bytes.
"""

from collections.abc import Collection, Sequence
from dataclasses import dataclass

from sqlalchemy import ColumnElement, and_, delete, func, insert, literal, or_, select, tuple_
from sqlalchemy import update as change
from sqlalchemy.ext.asyncio import AsyncConnection

from cluster.blobs.paths import UNNAMED
from cluster.runtime.problems import NotFound
from cluster.storage.tables import stored_objects as rows
from cluster.storage.tables import tenants

AT_ONCE = 200  # paths in one statement
COMING, GOING = "coming", "going"  # in place of a media type, which has a slash


@dataclass(frozen=True, slots=True)
class StoredObject:
    """A version of a file: `place` identifies these bytes and no others.

    `created` and `expires` are Unix seconds; without `expires` it stays until it is deleted.
    """

    path: str
    bytes: int
    sha256: str
    media_type: str
    created: float
    expires: float | None
    tenant: str
    place: str


@dataclass(frozen=True, slots=True)
class PendingDeletion:
    """Bytes that are to be deleted."""

    tenant: str
    place: str


async def lock(connection: AsyncConnection, tenant: str) -> None:
    """Serialise changes of a tenant's storage. Raises NotFound."""
    row = select(tenants.c.id).where(tenants.c.id == tenant).with_for_update(key_share=True)
    if (await connection.execute(row)).first() is None:
        raise NotFound(f"There is no tenant '{tenant[:63]}'.", param="tenant")


async def used_bytes(connection: AsyncConnection, tenant: str, beside: str = "") -> int:
    """Bytes that a tenant has stored or reserved, except at the place `beside`."""
    mine = and_(rows.c.tenant == tenant, rows.c.place != beside)
    total = await connection.execute(select(func.coalesce(func.sum(rows.c.bytes), 0)).where(mine))
    return int(total.scalar_one())


async def reserve(
    connection: AsyncConnection, tenant: str, place: str, size: int, now: float, expires: float
) -> None:
    """Reserve `size` bytes, without a path, until `expires`."""
    await connection.execute(
        insert(rows).values(
            tenant=tenant,
            path=UNNAMED + place,
            bytes=size,
            sha256="",
            media_type=COMING,
            created=now,
            expires=expires,
            place=place,
        )
    )


async def resize(
    connection: AsyncConnection, tenant: str, place: str, size: int, expires: float
) -> bool:
    """Change a reservation to `size` bytes; False if it was lost."""
    result = await connection.execute(
        change(rows).where(_reservation(tenant, place)).values(bytes=size, expires=expires)
    )
    return result.rowcount == 1


async def attach_name(connection: AsyncConnection, file: StoredObject) -> bool:
    """Make a reservation a file; an old file of that path is marked deleted. False if the
    reservation was lost."""
    named = and_(rows.c.tenant == file.tenant, rows.c.path == file.path)
    await mark_deleted(connection, named, file.created)
    result = await connection.execute(
        change(rows)
        .where(_reservation(file.tenant, file.place))
        .values(
            path=file.path,
            bytes=file.bytes,
            sha256=file.sha256,
            media_type=file.media_type,
            created=file.created,
            expires=file.expires,
        )
    )
    return result.rowcount == 1


async def list_objects(
    connection: AsyncConnection, tenant: str, path: str, now: float
) -> StoredObject | None:
    """The unexpired file of that path."""
    row = await connection.execute(
        select(rows).where(rows.c.tenant == tenant, rows.c.path == path, _unexpired(now))
    )
    first = row.first()
    return None if first is None else StoredObject(**first._mapping)


async def list_under(
    connection: AsyncConnection, tenant: str, folder: str, now: float
) -> tuple[StoredObject, ...]:
    """The unexpired files whose path begins with `folder` and a slash, by path."""
    found = select(rows).where(list_prefix(tenant, folder), _unexpired(now)).order_by(rows.c.path)
    return tuple(StoredObject(**row._mapping) for row in await connection.execute(found))


def get(tenant: str, paths: Sequence[str]) -> ColumnElement[bool]:
    """These files; no more than AT_ONCE."""
    return and_(rows.c.tenant == tenant, rows.c.path.in_(paths))


def list_prefix(tenant: str, folder: str) -> ColumnElement[bool]:
    """Every file whose path begins with `folder` and a slash (LIKE would ignore case)."""
    prefix = f"{folder}/"
    starts = func.substr(rows.c.path, 1, len(prefix)) == prefix
    return and_(rows.c.tenant == tenant, starts)


def all_named(tenant: str) -> ColumnElement[bool]:
    """Every file of the tenant."""
    return and_(rows.c.tenant == tenant, func.substr(rows.c.path, 1, 1) != UNNAMED)


def get_by_location(place: str) -> ColumnElement[bool]:
    """The row of that place."""
    return rows.c.place == place


async def mark_deleted(
    connection: AsyncConnection, which: ColumnElement[bool], until: float
) -> tuple[PendingDeletion, ...]:
    """Remove the paths and bytes of rows. The caller deletes the bytes before `until`; afterwards
    another process may.
    """
    unnamed = literal(UNNAMED).concat(rows.c.place)
    values = {"path": unnamed, "sha256": "", "bytes": 0, "media_type": GOING, "expires": until}
    statement = change(rows).where(which).values(**values)
    marked = await connection.execute(statement.returning(rows.c.tenant, rows.c.place))
    return tuple(PendingDeletion(row.tenant, row.place) for row in marked)


async def mark_expired_deleted(
    connection: AsyncConnection, now: float, until: float
) -> tuple[PendingDeletion, ...]:
    """The same for up to AT_ONCE expired rows of all tenants; none twice at once."""
    key = (rows.c.tenant, rows.c.path)
    old = select(*key).where(rows.c.expires <= now).limit(AT_ONCE)
    return await mark_deleted(
        connection, tuple_(*key).in_(old.with_for_update(skip_locked=True)), until
    )


async def delete_row(connection: AsyncConnection, doomed: Sequence[PendingDeletion]) -> None:
    """Delete the rows of deleted bytes."""
    places = [each.place for each in doomed]
    for start in range(0, len(places), AT_ONCE):
        some = rows.c.place.in_(places[start : start + AT_ONCE])
        await connection.execute(delete(rows).where(some, rows.c.media_type == GOING))


async def existing_locations(
    connection: AsyncConnection, places: Collection[str]
) -> frozenset[str]:
    """Those of `places` (up to 500) that have a row."""
    known = await connection.execute(select(rows.c.place).where(rows.c.place.in_(places)))
    return frozenset(known.scalars())


def _reservation(tenant: str, place: str) -> ColumnElement[bool]:
    unnamed = and_(rows.c.tenant == tenant, rows.c.path == UNNAMED + place)
    return and_(unnamed, rows.c.media_type == COMING)


def _unexpired(now: float) -> ColumnElement[bool]:
    return or_(rows.c.expires.is_(None), rows.c.expires > now)
