"""Both stores, for every folder of the tier; some put others in their place."""

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
