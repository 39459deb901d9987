"""One cluster for all files that need an application of several replicas, in one process.

Its limits and its cache stand on a Redis at first, and on deployments from the first test on that
asks for `embedded`; tests are ordered so that it is deployed anew once. Every other file starts
what it needs itself, and comes first, so that no two clusters share the processors.
"""

from collections.abc import Iterator

import pytest

from tests.chaos.cluster_process import ClusterProcess
from tests.servers.redis_server import RedisServer


@pytest.fixture(scope="session")
def redis_server() -> Iterator[RedisServer]:
    with RedisServer() as server:
        yield server


@pytest.fixture(scope="session")
def cluster(redis_server: RedisServer) -> Iterator[ClusterProcess]:
    with ClusterProcess(redis_server.url) as cluster:
        yield cluster


@pytest.fixture(scope="session")
def embedded(cluster: ClusterProcess) -> ClusterProcess:
    """From here on the Limiter replica holds the limits, and `Cache-0` what is cached."""
    cluster.redeploy("embedded")
    return cluster


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """The tests of the shared cluster come last, in its two phases."""

    def phase(item: pytest.Item) -> int:
        if not item.path.stem.endswith("_under_faults"):
            return 0
        return 2 if "embedded" in getattr(item, "fixturenames", ()) else 1

    items.sort(key=phase)
