"""Which ports a cluster takes, and whether they are free."""

import os
import socket
from collections.abc import Iterator

import pytest

from cluster.ops.ports import Ports, find_conflict, is_free, process_on_port
from cluster.runtime.settings import Settings


@pytest.fixture
def listener() -> Iterator[int]:
    with socket.socket() as server:
        server.bind(("127.0.0.1", 0))
        server.listen()
        yield server.getsockname()[1]


def test_a_port_with_a_listener_is_not_free_and_its_holder_is_named(listener: int) -> None:
    assert not is_free(listener)
    assert f"pid {os.getpid()}" in (process_on_port(listener) or "")


def test_the_report_names_purpose_port_and_holder(listener: int) -> None:
    free = Ports.free()

    busy = find_conflict(Ports(http=listener, dashboard=free.dashboard, gcs=free.gcs))

    assert [each.port for each in busy] == [listener]
    assert "--port" in str(busy[0])
    assert f"pid {os.getpid()}" in str(busy[0])


def test_a_port_is_free_again_after_its_listener_closed() -> None:
    assert is_free(Ports.free().http)


def test_no_two_purposes_share_a_port() -> None:
    ports = list(Ports.of(Settings()).named().values())

    assert len(set(ports)) == len(ports)


def test_neighbouring_clusters_share_no_replica_port() -> None:
    blocks = [Ports(http=1, dashboard=2, gcs=gcs).replicas for gcs in range(6480, 6580, 10)]

    assert len(set(blocks)) == 10
    assert all(30_000 <= block <= 32_250 for block in blocks)
