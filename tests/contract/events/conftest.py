"""Events over both stores, with a receiver in this process in place of the network."""

from collections.abc import AsyncIterator
from random import Random

import pytest

from cluster.events.delivery_worker import WebhookDeliveryWorker
from cluster.events.signing import WebhookSecrets
from cluster.events.webhooks import WebhookRepository
from cluster.net.ssrf import SsrfGuard
from cluster.runtime.clock import ManualClock, SystemClock
from cluster.storage.database import Database
from tests.contract.events.receiver import PEPPER, Bench, Names, Receiver, transport


@pytest.fixture
def url(tenants_url: str) -> str:
    return tenants_url


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
