"""What a cluster on one machine lets others reach."""

import os

import pytest

from cluster.ops.ports import listeners
from load_tests.benchmarks.common.local_serve import LocalServe


@pytest.mark.every_profile
def test_no_process_listens_on_other_than_loopback(cluster: LocalServe) -> None:
    """GCS and raylet end at one call without a token, and nothing here is meant for others."""
    sockets = listeners(cluster.processes())
    plain = os.environ.get("MOBULA_TEST_PROFILE") == "plain"

    assert {each.process for each in sockets} >= {"gcs_server", "raylet"} | (
        set() if plain else {"haproxy"}
    )
    assert [each for each in sockets if each.is_open] == []
