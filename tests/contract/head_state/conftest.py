"""A real Redis for what a head keeps in one."""

from tests.servers.fixtures import redis_server

__all__ = ["redis_server"]
