"""One cluster for all files that need an application of several replicas, in one process.

Its limits and its cache stand on a Redis at first, and on deployments from the first test on that
asks for `embedded`; tests are ordered so that it is deployed anew once. Every other file is
independent, and xdist runs two at once.
"""

from collections.abc import Iterator
from pathlib import PurePosixPath

import pytest
from xdist.remote import Producer

from tests.chaos.cluster_process import ClusterProcess
from tests.scheduling import GroupScheduling
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


def group_of(path: PurePosixPath) -> str:
    """The files of the shared cluster; each other file by itself."""
    return "under faults" if path.stem.endswith("_under_faults") else path.stem


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: Producer) -> GroupScheduling:
    return GroupScheduling(config, log, group_of)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """The tests of the shared cluster come in its two phases."""
    items.sort(key=lambda item: "embedded" in getattr(item, "fixturenames", ()))
