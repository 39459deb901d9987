"""A Redis and both stores for the health checks."""

from tests.servers.fixtures import redis_server

__all__ = ["redis_server"]
