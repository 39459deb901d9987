"""A Redis and both stores for the health checks."""

from tests.servers.fixtures import redis_cluster, redis_server, redis_session

__all__ = ["redis_cluster", "redis_server", "redis_session"]
