"""Applications over one store, on SQLite and on PostgreSQL."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace

import httpx
import pytest
from starlette.types import ASGIApp

from cluster.idempotency.store import IdempotencyStore
from cluster.runtime.clock import ManualClock
from cluster.storage.database import Database
from deployments.ingress.http.app import create_app
from tests.api.idempotency.replays import NewReplica, ThreeKeys
from tests.api.web import MakeServices, client_of
from tests.servers.stores import open_store, store_url  # noqa: F401


@pytest.fixture
def clock() -> ManualClock:
    """Of the store alone: requests keep their real deadlines."""
    return ManualClock()


@pytest.fixture
def replica(
    make_services: MakeServices, url: str, database: Database, clock: ManualClock
) -> NewReplica:
    """As many applications over one store as a test wants."""

    @asynccontextmanager
    async def opened() -> AsyncIterator[ASGIApp]:
        own = Database(url)
        store = IdempotencyStore(own, lambda tenant: tenant.encode().ljust(32, b"s"), clock)
        services = replace(make_services(), authenticator=ThreeKeys(), idempotency=store)
        yield create_app(services)
        await store.close()
        await own.close()

    return opened


@pytest.fixture
async def app(replica: NewReplica) -> AsyncIterator[ASGIApp]:
    async with replica() as app:
        yield app


@pytest.fixture
async def client(app: ASGIApp) -> AsyncIterator[httpx.AsyncClient]:
    async with client_of(app, "mob_one") as client:
        yield client
