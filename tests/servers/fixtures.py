"""Fixtures over the servers of tests/servers/session_fixtures.py, to be imported by a conftest."""

from collections.abc import Iterator

import pytest
import redis

from tests.servers.postgres import PostgresServer
from tests.servers.redis_server import RedisServer


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


@pytest.fixture
def postgres_url(postgres_server: PostgresServer) -> str:
    """The URL of a fresh, empty database."""
    return postgres_server.new_database()
