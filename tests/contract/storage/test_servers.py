"""The servers that tests stand on: what is stopped is gone, what comes back answers."""

import os

import pytest
import redis
from sqlalchemy import text

from cluster.storage.database import Database
from tests.servers.postgres import PostgresServer
from tests.servers.redis_server import RedisServer


def test_redis_comes_back_empty_on_the_same_url(redis_server: RedisServer) -> None:
    with redis.Redis.from_url(redis_server.url) as client:
        client.set("a", 1)
        first = redis_server.pid
        redis_server.restart()
        assert client.get("a") is None

    assert redis_server.pid != first
    assert not os.path.exists(f"/proc/{first}")  # noqa: PTH110


def test_a_frozen_redis_does_not_answer_until_it_is_thawed(redis_server: RedisServer) -> None:
    with redis.Redis.from_url(redis_server.url, socket_timeout=0.1, retry=None) as client:
        client.ping()
        redis_server.freeze()
        with pytest.raises(redis.TimeoutError):
            client.ping()
        redis_server.thaw()
        assert client.ping()


def test_a_stopped_redis_is_found_running_by_the_next_test(redis_server: RedisServer) -> None:
    redis_server.stop()

    client = redis.Redis.from_url(redis_server.url, retry=None)
    with client, pytest.raises(redis.ConnectionError):
        client.ping()


def test_after_it(redis_server: RedisServer) -> None:
    with redis.Redis.from_url(redis_server.url) as client:
        assert client.ping()


async def test_every_database_is_somebodys_own(postgres_server: PostgresServer) -> None:
    urls = [postgres_server.new_database() for _ in range(2)]
    for url in urls:
        database = Database(url)
        async with database.begin() as connection:
            await connection.execute(text("CREATE TABLE mine (id int)"))
        await database.close()

    assert len(set(urls)) == 2
