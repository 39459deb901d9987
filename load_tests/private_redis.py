"""A Redis for one benchmark: on a port of its own, in memory only, ended with the benchmark."""

from collections.abc import Iterator
from contextlib import contextmanager

from load_tests.redis_process import RedisProcess


@contextmanager
def private_redis() -> Iterator[str]:
    """Its URL. Raises RuntimeError where redis-server is missing or does not start."""
    with RedisProcess() as server:
        yield server.url
