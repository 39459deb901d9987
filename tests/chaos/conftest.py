"""One cluster for all files that need an application of several replicas, in one process.

Its limits and its cache stand on a Redis at first, and on deployments from the first test on that
asks for `embedded`; tests are ordered so that it is deployed anew once. Every other file is
independent, and xdist runs two at once.
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


@pytest.hookimpl(tryfirst=True)  # before xdist, which reads the marks
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """The tests of the shared cluster come in its two phases, and go to one worker."""
    shared = {item.path for item in items if item.path.stem.endswith("_under_faults")}
    for item in items:
        group = "under faults" if item.path in shared else item.path.stem
        item.add_marker(pytest.mark.xdist_group(group))
    items.sort(key=lambda item: "embedded" in getattr(item, "fixturenames", ()))
