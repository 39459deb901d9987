"""One cluster for all files that need an application of several replicas, in one process.

Its limits and its cache stand on a Redis for the tests that do not ask for `embedded`, and then on
deployments; tests are ordered so that it is deployed anew once, or not at all if only tests of one
kind run. Every other file starts what it needs itself, and comes first, so that no two clusters
share the processors.
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
def cluster(request: pytest.FixtureRequest, redis_server: RedisServer) -> Iterator[ClusterProcess]:
    """It serves video only if tests of jobs run."""
    chosen = request.session.items
    with_video = any(item.path.stem == "test_video_under_faults" for item in chosen)
    with ClusterProcess(redis_server.url, with_video=with_video) as cluster:
        cluster.deploy("redis" if any(phase(item) == ON_REDIS for item in chosen) else "embedded")
        yield cluster


@pytest.fixture(scope="session")
def embedded(cluster: ClusterProcess) -> ClusterProcess:
    """From here on the Limiter replica holds the limits, and `Cache-0` what is cached."""
    if cluster.backend != "embedded":
        cluster.deploy("embedded")
    return cluster


ALONE, ON_REDIS, EMBEDDED = range(3)


def phase(item: pytest.Item) -> int:
    if not item.path.stem.endswith("_under_faults"):
        return ALONE
    return EMBEDDED if "embedded" in getattr(item, "fixturenames", ()) else ON_REDIS


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """The tests of the shared cluster come last, in its two phases."""
    items.sort(key=phase)
