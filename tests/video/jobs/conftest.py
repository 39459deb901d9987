"""The stores of tests/contract/jobs."""

from tests.contract.jobs.conftest import clock, office, url
from tests.servers.stores import (
    migrated_file,
    migrated_postgres,
    open_store,
    postgres_server,
    tenants_file,
    tenants_postgres,
    tenants_url,
)

__all__ = [
    "clock",
    "migrated_file",
    "migrated_postgres",
    "office",
    "open_store",
    "postgres_server",
    "tenants_file",
    "tenants_postgres",
    "tenants_url",
    "url",
]
