"""A real Redis for what a head keeps in one."""

from tests.servers.fixtures import redis_server, redis_session

__all__ = ["redis_server", "redis_session"]
