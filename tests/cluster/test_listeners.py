"""What a cluster on one machine lets others reach."""

import os

import pytest

from cluster.ops.ports import listeners
from load_tests.benchmarks.common.local_serve import LocalServe
from tests.cluster.polling import eventually


@pytest.mark.every_profile
async def test_no_process_listens_on_other_than_loopback(cluster: LocalServe) -> None:
    """GCS and raylet end at one call without a token, and nothing here is meant for others."""
    plain = os.environ.get("MOBULA_TEST_PROFILE") == "plain"
    expected = {"gcs_server", "raylet"} | (set() if plain else {"haproxy"})

    def all_listen() -> bool:  # HAProxy's processes change where it reads its configuration again
        return {each.process for each in listeners(cluster.processes())} >= expected

    await eventually(all_listen)
    assert [each for each in listeners(cluster.processes()) if each.is_open] == []
