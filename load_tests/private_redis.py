"""A Redis for one benchmark: on a port of its own, in memory only, ended with the benchmark."""

import shutil
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager

import redis

from load_tests.free_port import free_port

START_S = 10.0


@contextmanager
def private_redis() -> Iterator[str]:
    """Its URL. Raises RuntimeError where redis-server is missing or does not start."""
    program = shutil.which("redis-server")
    if program is None:
        raise RuntimeError("--redis needs redis-server, or MOBULA_REDIS_URL")
    port = free_port()
    options = ["--bind", "127.0.0.1", "--port", str(port), "--save", "", "--appendonly", "no"]
    process = subprocess.Popen([program, *options], stdout=subprocess.DEVNULL, cwd="/")
    try:
        url = f"redis://127.0.0.1:{port}/0"
        _wait(url)
        yield url
    finally:
        process.terminate()
        process.wait(timeout=START_S)


def _wait(url: str) -> None:
    until = time.monotonic() + START_S
    with redis.Redis.from_url(url) as client:
        while time.monotonic() < until:
            try:
                client.ping()
                return
            except redis.ConnectionError:
                time.sleep(0.05)
    raise RuntimeError(f"redis-server did not start within {START_S:g} s")
