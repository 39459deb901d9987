"""Both stores, with the tenants `acme` and `other`."""

import pytest

from cluster.runtime.clock import ManualClock


@pytest.fixture
def url(tenants_url: str) -> str:
    return tenants_url


@pytest.fixture
def clock() -> ManualClock:
    return ManualClock()
