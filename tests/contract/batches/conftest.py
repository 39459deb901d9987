"""Batches over both stores, with the tenants `acme` and `other`."""

from random import Random

import pytest

from cluster.runtime.clock import ManualClock
from cluster.storage.database import Database
from deployments.jobs.store import JobStore
from tests.contract.jobs.office import Office


@pytest.fixture
def url(tenants_url: str) -> str:
    return tenants_url


@pytest.fixture
def clock() -> ManualClock:
    return ManualClock()


@pytest.fixture
def office(database: Database, clock: ManualClock) -> Office:
    return Office(database, clock, JobStore(database, clock, Random(7)))
