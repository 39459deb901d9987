"""What the tests here do to a store."""

import asyncio
from collections.abc import Callable

from sqlalchemy import func, select

from cluster.invalidation import store
from cluster.invalidation.feed import InvalidationFeed
from cluster.invalidation.target import Invalidation, Kind, Target
from cluster.runtime.clock import ManualClock
from cluster.storage.database import Database
from cluster.storage.tables import cache_invalidations


async def invalidate(
    database: Database, clock: ManualClock, kind: Kind, name: str = "", tenant: str = "acme"
) -> Invalidation:
    async with database.begin() as connection:
        return await store.add(connection, clock, tenant, Target(kind, name))


async def prune(database: Database, before: float) -> int:
    async with database.begin() as connection:
        return await store.prune(connection, before)


async def rows(database: Database) -> int:
    async with database.read() as connection:
        counted = select(func.count()).select_from(cache_invalidations)
        return int((await connection.execute(counted)).scalar_one())


def good(feed: InvalidationFeed, tag: str, as_of: int, tenant: str = "acme") -> bool:
    return feed.generations.is_valid(tenant, "nano", (tag,), as_of)


async def until(condition: Callable[[], bool], within_s: float = 60.0) -> None:
    """Poll; raises TimeoutError when it does not come true."""
    async with asyncio.timeout(within_s):
        while not condition():  # noqa: ASYNC110 - what is awaited has no event
            await asyncio.sleep(0.005)


def is_current(feed: InvalidationFeed, clock: ManualClock) -> bool:
    """Whether cached responses may be served by what the feed knows."""
    return clock.monotonic() <= feed.current_until
