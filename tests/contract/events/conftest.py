"""Events over both stores, with a receiver in this process in place of the network."""

from collections.abc import AsyncIterator
from pathlib import Path
from random import Random

import pytest
from sqlalchemy import delete, insert

from cluster.clock import ManualClock, SystemClock
from cluster.events.deliverer import Deliverer
from cluster.events.signing import Keyring
from cluster.events.webhooks import Webhooks
from cluster.net.ssrf import Guard
from cluster.storage.database import Database
from cluster.storage.migrate import migrate
from cluster.storage.tables import metadata, plans, tenants
from tests.contract.events.receiver import PEPPER, Bench, Names, Receiver, transport
from tests.servers.fixtures import postgres_server
from tests.servers.postgres import PostgresServer

__all__ = ["postgres_server"]


@pytest.fixture(scope="session")
def migrated_postgres(postgres_server: PostgresServer) -> str:
    """Migrating takes longer than a test, so one database serves all, emptied after each."""
    url = postgres_server.new_database()
    migrate(url)
    return url


@pytest.fixture(params=["sqlite", "postgres"])
async def database(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[Database]:
    """A migrated store with the tenants `acme` and `other`."""
    if request.param == "sqlite":
        url = f"sqlite+aiosqlite:///{tmp_path / 'events.db'}"
        migrate(url)
    else:
        url = request.getfixturevalue("migrated_postgres")
    database = Database(url)
    await _fill(database)
    yield database
    async with database.begin() as connection:
        for table in reversed(metadata.sorted_tables):
            await connection.execute(delete(table))
    await database.close()


async def _fill(database: Database) -> None:
    plan = {"id": "default", "document": {}, "version": 1, "created": 0.0, "updated": 0.0}
    row = {"plan": "default", "status": "active", "secret": b"s", "created": 0.0, "updated": 0.0}
    rows = [{**row, "id": name, "name": name} for name in ("acme", "other")]
    async with database.begin() as connection:
        await connection.execute(insert(plans), [plan])
        await connection.execute(insert(tenants), rows)


@pytest.fixture
def clock() -> ManualClock:
    """Starts at the real time, which receivers compare signatures' instants with."""
    return ManualClock(SystemClock().wall())


@pytest.fixture
async def bench(database: Database, clock: ManualClock) -> AsyncIterator[Bench]:
    receiver, names = Receiver(), Names()
    keyring = Keyring(PEPPER)
    webhooks = Webhooks(keyring, Guard(resolve=names), clock)
    deliverer = Deliverer(database, transport(receiver, names), keyring, clock, Random(7))
    yield Bench(database, clock, receiver, names, keyring, webhooks, deliverer)
    receiver.release()
    await deliverer.close()
