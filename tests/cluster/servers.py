"""The servers a production cluster stands on, for as long as this test process lives."""

import atexit

from cluster.cli.test_servers import find_program
from cluster.runtime.settings import in_ci
from tests.servers.postgres import PostgresServer
from tests.servers.redis_server import RedisServer


def production_servers() -> dict[str, str]:
    """Start Redis and PostgreSQL; the settings that name them.

    Where Redis is not installed the tier stands on what is embedded, except in CI, where a missing
    server is a failure.
    """
    if find_program("redis-server") is None and not in_ci():
        return {}
    redis, postgres = RedisServer(), PostgresServer()
    for server in (redis, postgres):
        server.__enter__()
        atexit.register(server.__exit__, None, None, None)
    return {"MOBULA_REDIS_URL": redis.url, "MOBULA_DATABASE_URL": postgres.url}
