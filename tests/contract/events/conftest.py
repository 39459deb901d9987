"""Events over both stores, with a receiver in this process in place of the network."""

from collections.abc import AsyncIterator
from random import Random

import pytest
from sqlalchemy import insert

from cluster.events.delivery_worker import WebhookDeliveryWorker
from cluster.events.signing import WebhookSecrets
from cluster.events.webhooks import WebhookRepository
from cluster.net.ssrf import SsrfGuard
from cluster.runtime.clock import ManualClock, SystemClock
from cluster.storage.database import Database
from cluster.storage.tables import plans, tenants
from tests.contract.events.receiver import PEPPER, Bench, Names, Receiver, transport


@pytest.fixture
async def database(url: str) -> AsyncIterator[Database]:
    """With the tenants `acme` and `other`."""
    database = Database(url)
    await _fill(database)
    yield database
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
    keyring = WebhookSecrets(PEPPER)
    webhooks = WebhookRepository(keyring, SsrfGuard(resolve=names), clock)
    deliverer = WebhookDeliveryWorker(
        database, transport(receiver, names), keyring, clock, Random(7)
    )
    yield Bench(database, clock, receiver, names, keyring, webhooks, deliverer)
    receiver.release()
    await deliverer.close()
