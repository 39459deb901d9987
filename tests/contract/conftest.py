"""Both stores, for every folder of the tier; some put others in their place."""

from pathlib import PurePosixPath

import pytest
from xdist.remote import Producer

from tests.scheduling import GroupScheduling
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


def group_of(path: PurePosixPath) -> str:
    """Whole files, and one group for all those that load PyTorch."""
    return "torch" if path.parent.name in ("embedding", "engines") else str(path)


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: Producer) -> GroupScheduling:
    return GroupScheduling(config, log, group_of)
