"""Both stores, for every folder of the tier; some put others in their place."""

import pytest

from tests.servers.stores import (
    emptied_postgres,
    empty_postgres,
    migrated_file,
    migrated_postgres,
    open_store,
    postgres_server,
    postgres_url,
    store_url,
    tenants_file,
    tenants_postgres,
    tenants_url,
)

__all__ = [
    "emptied_postgres",
    "empty_postgres",
    "migrated_file",
    "migrated_postgres",
    "open_store",
    "postgres_server",
    "postgres_url",
    "store_url",
    "tenants_file",
    "tenants_postgres",
    "tenants_url",
]


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """A worker takes whole files, and one worker all those that load PyTorch."""
    for item in items:
        loads_torch = item.path.parent.name in ("embedding", "engines")
        item.add_marker(pytest.mark.xdist_group("torch" if loads_torch else str(item.path)))
