"""The stores of tests/contract/jobs."""

import pytest

from tests.contract.jobs.conftest import clock, office, url
from tests.servers.stores import (
    open_store,
    tenants_url,
)

__all__ = [
    "clock",
    "office",
    "open_store",
    "tenants_url",
    "url",
]


def pytest_configure(config: pytest.Config) -> None:
    config.pluginmanager.import_plugin("tests.servers.session_fixtures")
