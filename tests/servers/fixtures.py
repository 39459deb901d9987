"""Fixtures over the servers, to be imported by the conftest of a tier that needs them.

A server is started once a session, when the first test asks for it.
"""

from collections.abc import Iterator

import pytest
import redis

from tests.servers.postgres import PostgresServer
from tests.servers.redis_cluster import RedisClusterServers
from tests.servers.redis_server import RedisServer


@pytest.fixture(scope="session")
def redis_session() -> Iterator[RedisServer]:
    with RedisServer() as server:
        yield server


@pytest.fixture
def redis_server(redis_session: RedisServer) -> Iterator[RedisServer]:
    """A Redis that is running and empty, whatever the test before did to it."""
    redis_session.thaw()
    try:
        redis_session.flush()
    except redis.ConnectionError:
        redis_session.restart()
    yield redis_session
    redis_session.thaw()


@pytest.fixture(scope="session")
def redis_cluster() -> Iterator[RedisClusterServers]:
    """Three masters, which its users leave as they were."""
    with RedisClusterServers() as servers:
        yield servers


@pytest.fixture(scope="session")
def postgres_server() -> Iterator[PostgresServer]:
    with PostgresServer() as server:
        yield server


@pytest.fixture
def postgres_url(postgres_server: PostgresServer) -> str:
    """The URL of a fresh, empty database."""
    return postgres_server.new_database()
