"""A driver outside the cluster finds a cluster on loopback."""

from importlib import import_module

import pytest

from cluster.ops.environment import ONE_MACHINE
from cluster.ops.ray_connection import keep_loopback_address

ray_constants = import_module("ray._private.ray_constants")
services = import_module("ray._private.services")


@pytest.fixture(autouse=True)
def _as_ray_is_by_default(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ray_constants, "ENABLE_RAY_CLUSTER", True)
    monkeypatch.setenv(ONE_MACHINE, "1")


@pytest.mark.parametrize("address", ["127.0.0.1:6480", "localhost:6480"])
def test_the_loopback_address_of_a_cluster_stays_what_it_is(address: str) -> None:
    """Ray 2.60 asked for the machine's own address, and waited for nobody."""
    keep_loopback_address(address)

    assert services.resolve_ip_for_localhost("127.0.0.1") == "127.0.0.1"


@pytest.mark.parametrize("address", ["10.0.0.5:6480", ""])
def test_a_cluster_of_several_nodes_is_left_to_ray(address: str) -> None:
    keep_loopback_address(address)

    assert ray_constants.ENABLE_RAY_CLUSTER
