"""Both stores, for every folder of the tier; some put others in their place."""

from pathlib import Path

import pytest

from tests.servers.stores import (
    emptied_postgres,
    open_store,
    postgres_url,
    store_url,
    tenants_url,
)
from tests.store_matrix import mark_other_stores

__all__ = [
    "emptied_postgres",
    "open_store",
    "postgres_url",
    "store_url",
    "tenants_url",
]


def pytest_configure(config: pytest.Config) -> None:
    config.pluginmanager.import_plugin("tests.servers.session_fixtures")


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    tier = Path(__file__).parent
    mark_other_stores(item for item in items if item.path.is_relative_to(tier))
