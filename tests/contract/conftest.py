"""Both stores, for every folder of the tier; some put others in their place."""

from pathlib import Path

import pytest

from tests.scheduling import GroupScheduling
from tests.servers.stores import (
    emptied_postgres,
    migrated_file,
    migrated_postgres,
    open_store,
    postgres_server,
    postgres_url,
    store_url,
)

__all__ = [
    "emptied_postgres",
    "migrated_file",
    "migrated_postgres",
    "open_store",
    "postgres_server",
    "postgres_url",
    "store_url",
]


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: object) -> GroupScheduling:
    """One worker runs all tests that load PyTorch."""
    return GroupScheduling(
        config,
        log,
        lambda file: "torch" if Path(file).parent.name in ("embedding", "engines") else None,
    )
