"""Servers and migrated stores of a worker: one each, whichever tiers and folders its tests are of.

The conftest of a tier registers this module as a plugin. A fixture that several conftests import
would be as many fixtures, each with a server of its own.
"""

from collections.abc import Iterator
from pathlib import Path

import pytest

from cluster.storage.migrate import migrate
from tests.servers.made_once import made_once
from tests.servers.postgres import PostgresServer
from tests.servers.redis_cluster import RedisClusterServers
from tests.servers.redis_server import RedisServer
from tests.servers.reused_postgres import PostgresTemplates, ReusedPostgres
from tests.servers.stores import add_tenants

MIGRATED = "migrated"  # a database of the PostgreSQL server


@pytest.fixture(scope="session")
def redis_session() -> Iterator[RedisServer]:
    with RedisServer() as server:
        yield server


@pytest.fixture(scope="session")
def redis_cluster() -> Iterator[RedisClusterServers]:
    """Three masters, which its users leave as they were."""
    with RedisClusterServers() as servers:
        yield servers


@pytest.fixture(scope="session")
def postgres_server() -> Iterator[PostgresServer]:
    with PostgresServer(data=made_once("postgres", _make_postgres)) as server:
        yield server


def _make_postgres(folder: Path) -> None:
    """The data folder of a server with a migrated database."""
    with PostgresServer() as server:
        migrate(server.new_database(name=MIGRATED))
        server.copy_data(folder)


@pytest.fixture(scope="session")
def migrated_postgres(postgres_server: PostgresServer) -> PostgresTemplates:
    return PostgresTemplates(postgres_server, MIGRATED)


@pytest.fixture(scope="session")
def empty_postgres(migrated_postgres: PostgresTemplates) -> Iterator[ReusedPostgres]:
    with ReusedPostgres(migrated_postgres) as database:
        yield database


@pytest.fixture(scope="session")
def tenants_postgres(migrated_postgres: PostgresTemplates) -> Iterator[ReusedPostgres]:
    with ReusedPostgres(migrated_postgres, add_tenants) as database:
        yield database
